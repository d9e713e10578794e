"""``result.json``: one student run or one table cell, with everything that makes a number honest.

A run's file holds one seed; `aggregate` joins runs into a cell of the same schema.
"""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SCHEMA = 1
MEASURES = ("top1_last", "top1_best", "top5_last", "top5_best")
NO_REFERENCE = "no results on random real images of the same size were given"
FILE = "result.json"

Result = dict[str, Any]

_SAME = ("schema", "protocol", "student", "validation", "precision")
_SAME_OF_SET = ("images_per_class", "classes", "images")
_SAME_OF_TEACHER = ("architecture", "sha256")


def summarize(per_seed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and both standard deviations of each measure over runs.

    Args:
        per_seed: Runs as ``result.json`` lists them, at least one.

    Returns:
        ``mean``, ``std_sample`` (over n − 1; null for one run), ``std_population`` (over n), each by measure; ``n``;
        and ``over``: which seeds differ between the runs.
    """
    values = {name: [float(run[name.split("_")[1]][name.split("_")[0]]) for run in per_seed] for name in MEASURES}
    seeds = [key for key in ("student_seed", "generate_seed") if len({run[key] for run in per_seed}) > 1]
    return {
        "n": len(per_seed),
        "over": seeds,
        "mean": {name: statistics.fmean(runs) for name, runs in values.items()},
        "std_sample": {name: statistics.stdev(runs) if len(runs) > 1 else None for name, runs in values.items()},
        "std_population": {name: statistics.pstdev(runs) for name, runs in values.items()},
    }


def read(path: Path) -> Result:
    """Read a ``result.json``, or that of a folder.

    Raises:
        ValueError: If the file is absent, no JSON, or of another schema version.
    """
    file = path / FILE if path.is_dir() else path
    try:
        result = json.loads(file.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{file} is no readable {FILE} ({error}). It is written at the end of `hieramp fit`."
        ) from error
    if not isinstance(result, dict) or result.get("schema") != SCHEMA:
        found = result.get("schema") if isinstance(result, dict) else None
        raise ValueError(f"{file} has schema {found!r}, this release reads {SCHEMA}: train the student again.")
    return result


def aggregate(results: Sequence[Result], reference: Result | None = None) -> Result:
    """Join results of the same experiment under other seeds into one cell.

    Args:
        results: At least one; equal in protocol, student, teacher, validation, precision, generator, its
            configuration (weights, schedule, sampling, stored form: all but the seed) and set size.
        reference: The same experiment on random real images; its numbers are then stored beside.

    Returns:
        A result with all runs, in the order given; the reference's place says why it is empty where there is none.

    Raises:
        ValueError: If there are none, a run comes twice, or the results are of different experiments, with what
            differs.
    """
    if not results:
        raise ValueError("There are no results to join.")
    for other in results[1:]:
        _refuse_other_experiment(results[0], other, ("generator", "configuration_sha256", *_SAME_OF_SET))
    runs = [run for result in results for run in result["per_seed"]]
    identities = [(run["student_seed"], run["generate_seed"], run["manifest_sha256"]) for run in runs]
    if len(set(identities)) < len(identities):
        raise ValueError(
            f"The same run is given twice (student seed, generate.seed, set): {sorted(map(str, identities))}."
        )
    sets = [result["set"] for result in results]
    joined = dict(results[0])
    joined["set"] = {
        **sets[0],
        "name": ", ".join(dict.fromkeys(part["name"] for part in sets)),
        "manifest_sha256": _union(part["manifest_sha256"] for part in sets),
        "generate_seeds": _union(part["generate_seeds"] for part in sets),
    }
    joined["student_seeds"] = _union(result["student_seeds"] for result in results)
    joined["per_seed"] = runs
    joined["summary"] = summarize(runs)
    joined["seconds"] = sum(result["seconds"] for result in results)
    joined["random_real_reference"] = {"absent": NO_REFERENCE}
    if reference is not None:
        _refuse_other_experiment(results[0], reference, _SAME_OF_SET)
        joined["random_real_reference"] = {"set": reference["set"], **reference["summary"]}
    return joined


def _refuse_other_experiment(first: Result, other: Result, of_set: Sequence[str]) -> None:
    _refuse_difference(first, other, _SAME)
    _refuse_difference(first["set"], other["set"], of_set, "set.")
    # Not its measured accuracy: rounding differs between machines.
    teachers = [{key: (result["teacher"] or {}).get(key) for key in _SAME_OF_TEACHER} for result in (first, other)]
    _refuse_difference(teachers[0], teachers[1], _SAME_OF_TEACHER, "teacher.")


def _refuse_difference(
    first: Mapping[str, Any], other: Mapping[str, Any], keys: Sequence[str], where: str = ""
) -> None:
    different = [f"{where}{key}: {first[key]!r} ≠ {other[key]!r}" for key in keys if first[key] != other[key]]
    if different:
        raise ValueError("These results are of different experiments; join them apart. " + "; ".join(different))


def _union(lists: Any) -> list[Any]:
    return list(dict.fromkeys(value for values in lists for value in values))
