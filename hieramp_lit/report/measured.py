"""Measured numbers in the paper's words: read from what our commands write, each with what it can be compared by."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hieramp_lit.classes import CIFAR, DIGITS
from hieramp_lit.classes.imagenet import IMAGENET, SUBSETS, members_of, read_list
from hieramp_lit.report.paper import PER_CENT
from hieramp_lit.report.results import SCHEMA
from hieramp_lit.report.schedule_name import OFF, ScheduleName, name_schedule

_VAR_NAMES = {"hieramp": "HIERAMP", "var": "VAR"}
_BENCHED = {"plain VAR": "VAR", "+ class tokens": "VAR + class tokens", "+ amplification": "HIERAMP"}
_PLAIN_VAR = re.compile(r"var(_d\d+)?\.(pth|safetensors)")
_TUNED_VAR = re.compile(r"class_tokens\.(pth|safetensors|ckpt)")
_INCEPTION = "fid@inception"
_OF_THE_PAPER = "rded"
_CIFAR_JUDGES = 10_000
_OWN_DATA = {DIGITS: ("DigitsDataModule", DIGITS)} | {name: ("CIFARDataModule", name) for name in CIFAR}
"""Data modules and names of the data sets whose classes have no WordNet ids."""
_EXPECTED = "Expected: a result.json, an inspect.json, or what `hieramp bench generate --out` wrote."


@dataclass(frozen=True)
class Value:
    """A number with its spread; in the paper's unit.

    Attributes:
        mean: Of the runs.
        std: Sample standard deviation; None for one run.
    """

    mean: float
    std: float | None


@dataclass(frozen=True)
class Measured:
    """One measured number, and what tells which of the paper's it belongs to.

    Attributes:
        source: File that it stands in.
        dataset: As in the paper (``imagenet1k``); for other classes a name of ours.
        ipc: Images per class; None where it does not matter.
        method: Generator, by the paper's name where it has one.
        teacher: Architecture; empty where there is none.
        student: Likewise.
        schedule: Of a set that VAR made.
        class_tokens: Whether that VAR had them; None if the file does not say.
        weights: SHA-256 of its weights; empty where there are none.
        metric: As in `PaperCell`.
        values: ``best`` and ``last`` for students; ``value`` for all else.
        runs: What the ± is over, in words.
        n: Number of runs.
        protocol: How students were trained, or how else it was measured.
        unlike: In what students' training and best epoch are not those of RDED's protocol, which the paper follows; in
            words, empty for nothing.
        runs_of: The runs as keys, to find results that hold the same.
    """

    source: str
    dataset: str
    ipc: int | None
    method: str
    teacher: str
    student: str
    schedule: ScheduleName | None
    class_tokens: bool | None
    weights: str
    metric: str
    values: Mapping[str, Value]
    runs: str
    n: int
    protocol: str
    runs_of: frozenset[str]
    unlike: str = ""


def read_measured(path: Path) -> list[Measured]:
    """The numbers of one file.

    Args:
        path: A ``result.json`` (of students, a cell, or a trial), an ``inspect.json``, or what ``hieramp bench generate
            --out`` wrote.

    Returns:
        Empty if the file is one of these, but holds nothing that the paper measures.

    Raises:
        ValueError: If it is none of these, or damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from error
    try:
        return list(_measured(content, path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged, or not by this release ({type(error).__name__}: {error}).") from error


def measured_of(result: Mapping[str, Any], source: str) -> Measured:
    """The accuracy of one result of students, as `read_measured` gives it of a file.

    Args:
        result: Of one or several seeds.
        source: Where it stands.

    Raises:
        ValueError: If it is damaged, or of another release.
    """
    try:
        return _of_students(result, source, None)
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{source} is damaged, or not by this release ({type(error).__name__}: {error}).") from error


def _measured(content: Any, path: Path) -> Iterator[Measured]:
    if not isinstance(content, Mapping):
        raise ValueError(f"no object, but a {type(content).__name__}. {_EXPECTED}")
    if "bench" in content:
        yield from _of_bench(content, path)
        return
    if content.get("schema") != SCHEMA:
        raise ValueError(f"schema {content.get('schema')!r}, this release reads {SCHEMA}. {_EXPECTED}")
    trial = content.get("trial")
    known = _class_tokens_of(trial) if trial else None
    if "per_seed" in content:
        yield _of_students(content, str(path), known)
    if trial and trial.get("real"):
        yield _of_students(trial["real"], f"{path} (its real images)", None)
    inspected = trial.get("inspect") if trial else content
    if inspected and "summary" in inspected and "set" in inspected and "per_seed" not in inspected:
        yield from _of_inspection(inspected, path, known)
    elif not trial and "per_seed" not in content:
        raise ValueError(f"neither students' results nor an inspection. {_EXPECTED}")


def _of_students(result: Mapping[str, Any], source: str, class_tokens: bool | None) -> Measured:
    described, summary = result["set"], result["summary"]
    method, schedule = _method(described)
    values = {}
    for which in ("best", "last"):
        name = f"{PER_CENT}_{which}"
        std = summary["std_sample"][name]
        values[which] = Value(100 * summary["mean"][name], None if std is None else 100 * std)
    protocol = result["protocol"]
    named = f"{protocol['name']} {protocol.get('version', '')}".rstrip()
    if protocol.get("changed"):
        named += f" (changed: {', '.join(sorted(protocol['changed']))})"
    experiment = json.dumps(
        [protocol, result["student"], (result["teacher"] or {}).get("sha256"), described["configuration_sha256"],
         described["images_per_class"], result["validation"]], sort_keys=True,
    )  # fmt: skip
    runs = [(run["student_seed"], run["generate_seed"], run["manifest_sha256"]) for run in result["per_seed"]]
    return Measured(
        source=source,
        dataset=dataset_of(described.get("class_list"), described, result["validation"]),
        ipc=described["images_per_class"],
        method=method,
        teacher=_architecture(result["teacher"]),
        student=_architecture(result["student"]),
        schedule=schedule,
        class_tokens=True if method == "HIERAMP" else class_tokens,
        weights=_weights(described),
        metric=PER_CENT,
        values=values,
        runs=_seeds(result["per_seed"]),
        n=summary["n"],
        protocol=named,
        runs_of=frozenset(f"{experiment} {run}" for run in runs),
        unlike=_unlike_rded(protocol),
    )


def _unlike_rded(protocol: Mapping[str, Any]) -> str:
    changed = sorted(protocol.get("changed") or {})
    words = []
    if protocol["name"] != _OF_THE_PAPER:
        words.append(f"our students are trained by the protocol {protocol['name']}, not RDED's as in the paper")
    if changed:
        whose = "its" if words else "our students are trained by RDED's protocol, but its"
        words.append(f"{whose} {', '.join(changed)} changed")
    first, epochs = (protocol["constants"].get(name) for name in ("first_best_epoch", "epochs"))
    if first is not None and first == epochs:
        words.append("our `best` is the last epoch, the only one it lets count; the paper's is the best of several")
    return "; ".join(words)


def _of_inspection(inspected: Mapping[str, Any], path: Path, class_tokens: bool | None) -> Iterator[Measured]:
    described = inspected["set"]
    method, schedule = _method(described)
    for name, value in inspected["summary"].items():
        if not name.startswith("fid@"):
            continue
        reference = inspected["reference"] or {}
        yield Measured(
            source=str(path),
            dataset=dataset_of(inspected.get("per_class"), described, reference.get("data")),
            ipc=described["images_per_class"],
            method=method,
            teacher="",
            student="",
            schedule=schedule,
            class_tokens=True if method == "HIERAMP" else class_tokens,
            weights=_weights(described),
            metric="fid" if name == _INCEPTION else name,
            values={"value": Value(value, None)},
            runs=f"set {described['generate_seed']}",
            n=1,
            protocol=f"{name}, {reference.get('images', '?')} real images",
            runs_of=frozenset([f"{name} {described['manifest_sha256']} {json.dumps(reference, sort_keys=True)}"]),
        )


def _of_bench(report: Mapping[str, Any], path: Path) -> Iterator[Measured]:
    if report["bench"] != "generate":
        raise ValueError(f"a report of `hieramp bench {report['bench']}`; the paper measures generation alone.")
    settings = report["settings"]
    where = f"{report['machine']['device']}, depth {settings['depth']}, {settings['precision']}"
    for group in report["groups"]:
        for row in group["rows"]:
            n = len(row["seconds"])
            spread = row["spread_s"] / row["work"] if n > 1 else None
            numbers: dict[str, Value] = {"seconds_per_image": Value(row["median_s"] / row["work"], spread)}
            if row["peak_bytes"] is not None:
                numbers["peak_memory_gb"] = Value(row["peak_bytes"] / 2**30, None)
            for metric, value in numbers.items():
                yield Measured(
                    source=str(path),
                    # The tables' networks are of depth 16, whatever the classes.
                    dataset="any" if settings["depth"] == 16 else f"depth {settings['depth']}",
                    ipc=None,
                    method=_BENCHED.get(row["name"], row["name"]),
                    teacher="",
                    student="",
                    schedule=ScheduleName(group["title"], ()),
                    class_tokens=None,
                    weights="",
                    metric=metric,
                    values={"value": value},
                    runs=f"{n} timed run{'s' if n > 1 else ''}",
                    n=n,
                    protocol=where,
                    runs_of=frozenset([f"{where} {group['title']} {row['name']} {metric} {row['seconds']}"]),
                )


def dataset_of(
    class_list: Sequence[Mapping[str, Any]] | None,
    described: Mapping[str, Any],
    judges: Mapping[str, Any] | None,
) -> str:
    """The data set whose classes these are, in any order; else a name that says how many they are.

    Args:
        class_list: Classes with ``wnid`` and ``name``.
        described: The set; its name stands for unknown classes.
        judges: The real images that it is judged by, with ``name`` and ``n``: data of one's own may have classes of the
            same names. Where these are not the data set's own, the name says that it is one of classes.
    """
    if class_list:
        wnids, names = (frozenset(str(entry.get(key)) for entry in class_list) for key in ("wnid", "name"))
        if wnids in _data_sets():
            return _data_sets()[wnids]
        if names in _data_sets():
            found = _data_sets()[names]
            own = found not in _OWN_DATA or _are_of(found, judges or {})
            return found if own else f"{found} (by its class names)"
    return f"{described['name']} ({described['classes']} classes)"


def _are_of(dataset: str, judges: Mapping[str, Any]) -> bool:
    """CIFAR's test images may also lie in folders; of digits there is no other copy."""
    return judges.get("name") in _OWN_DATA[dataset] or (dataset in CIFAR and judges.get("n") == _CIFAR_JUDGES)


@cache
def _data_sets() -> Mapping[frozenset[str], str]:
    """The paper's name of each list that ships with the package."""
    known = {frozenset(members_of(IMAGENET)): "imagenet1k"}
    known |= {frozenset(members_of(name)): name for name in SUBSETS}
    known |= {frozenset(read_list(name)): name for name in CIFAR}
    return known | {frozenset(map(str, range(10))): DIGITS}


def _method(described: Mapping[str, Any]) -> tuple[str, ScheduleName | None]:
    generator = described["generator"]
    if generator is None:
        return "full data set", None
    if generator not in _VAR_NAMES:
        return str(generator), None
    configuration = described.get("configuration")
    if configuration is None:
        raise ValueError(
            "there is no set.configuration, which says how the set was amplified: the file is of an older release. "
            "Train the student again."
        )
    schedule = name_schedule(configuration)
    return "VAR" if schedule.name == OFF else "HIERAMP", schedule


def _weights(described: Mapping[str, Any]) -> str:
    weights = (described.get("configuration") or {}).get("weights")
    return "" if weights is None else json.dumps(weights, sort_keys=True)


def _architecture(described: Mapping[str, Any] | None) -> str:
    """Without the library that it is from; CIFAR's ResNets, with their own stem, are ResNets to the paper."""
    if described is None:
        return ""
    return str(described["architecture"]).rpartition("/")[2].removesuffix("_modified")


def _class_tokens_of(trial: Mapping[str, Any]) -> bool | None:
    """What a trial has tuned has class tokens; else the weights' file tells by its name, as ours and VAR's own do."""
    if "tune" in trial.get("stages", {}):
        return True
    name = str(trial.get("values", {}).get("generate.model.checkpoint", "")).rpartition("/")[2]
    if _PLAIN_VAR.fullmatch(name):
        return False
    return True if _TUNED_VAR.fullmatch(name) else None


def _seeds(runs: Sequence[Mapping[str, Any]]) -> str:
    students = dict.fromkeys(str(run["student_seed"]) for run in runs)
    sets = dict.fromkeys(str(run["generate_seed"]) for run in runs if run["generate_seed"] is not None)
    return ", ".join(students) + (f"; sets {', '.join(sets)}" if len(sets) > 1 else "")
