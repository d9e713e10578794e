"""What came of a trial: one flat table of numbers, and everything in one file."""

import statistics
from collections.abc import Mapping
from typing import Any

from hieramp_lit.checkpoints import weights_sha256
from hieramp_lit.distill.planning import INSPECTED, Stages, seed_folder
from hieramp_lit.distill.trial import Trial
from hieramp_lit.files import read_json
from hieramp_lit.jobs import Cost
from hieramp_lit.report.results import MEASURES, SCHEMA, Result, aggregate, read
from hieramp_lit.report.scores import improvement_over_random
from hieramp_lit.shards import ShardSet
from hieramp_lit.shards.manifest import Manifest
from hieramp_lit.stages import Stage
from hieramp_lit.var import STAGES, Scales

FILE = "summary.json"
_MAKE_IMAGES = ("real", "generate", "off")


def student_cells(trial: Trial, stages: Stages) -> dict[str, Result]:
    """Results of the students on the set (``student``) and on real images (``real``), as far as there are any.

    They come from the seeds' own files: the folder's joined one is of whoever trained there last.
    """
    cells: dict[str, Result] = {}
    for name, stage in (("real", stages.real_students), ("student", stages.students)):
        if stage is not None:
            results = [read(seed_folder(stage, seed)) for seed in trial.seeds]
            cells[name] = aggregate(results, cells.get("real") if name == "student" else None)
    return cells


def summarize(
    configuration: Mapping[str, Any],
    cells: Mapping[str, Result],
    inspected: Mapping[str, float],
    seconds: Mapping[str, float],
    costs: Mapping[str, Mapping[str, Any]],
) -> dict[str, float]:
    """All numbers of a trial by name, for tables, sweeps and parallel coordinates.

    Args:
        configuration: The generator's, from the set's manifest.
        cells: From `student_cells`.
        inspected: Numbers of ``hieramp inspect``.
        seconds: Of the stages, all attempts.
        costs: Of the stages, from `stage_cost`.

    Returns:
        ``student/top1_last`` (mean over seeds, a share), ``…_std_sample``, ``…_std_population``, likewise
        ``top1_best`` and top 5, ``student/n``, the same under ``real/``, ``student/ior_last`` and ``…_best``,
        ``beta/coarse`` …, ``beta/00`` … and ``rho/…``, ``set/…``, ``seconds/…``; ``cost/STAGE/seconds_per_image``,
        ``…/peak_memory_bytes``, ``…/peak_device_memory_bytes`` and ``…/devices`` as far as they are known, and
        ``cost/gpu_hours`` of all stages together where one ran on GPUs.
    """
    numbers: dict[str, float] = {}
    for name, cell in cells.items():
        summary = cell["summary"]
        for measure in MEASURES:
            numbers[f"{name}/{measure}"] = summary["mean"][measure]
            for spread in ("std_sample", "std_population"):
                if summary[spread][measure] is not None:  # one run has no sample deviation
                    numbers[f"{name}/{measure}_{spread}"] = summary[spread][measure]
        numbers[f"{name}/n"] = summary["n"]
    if {"student", "real"} <= set(cells):
        for which in ("last", "best"):
            ours, random = numbers[f"student/top1_{which}"], numbers[f"real/top1_{which}"]
            numbers[f"student/ior_{which}"] = improvement_over_random(ours, random)
    numbers |= schedule_numbers(configuration)
    numbers |= {f"set/{name}": value for name, value in inspected.items() if isinstance(value, int | float)}
    numbers |= {f"seconds/{name}": value for name, value in seconds.items()}
    return numbers | _cost_numbers(costs)


def stage_cost(cost: Cost, seconds: float, images: int | None) -> dict[str, Any]:
    """What a stage took, as plain values; None for what is not known.

    Args:
        cost: Of its processes.
        seconds: Of it.
        images: That it made; None for a stage that makes none.

    Returns:
        `Cost.plain` with ``seconds`` and ``seconds_per_image``, in which the start of the process is counted.
    """
    return {"seconds": seconds, "seconds_per_image": seconds / images if images else None, **cost.plain()}


def _cost_numbers(costs: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    numbers = {
        f"cost/{stage}/{name}": value
        for stage, cost in costs.items()
        for name, value in cost.items()
        if name != "seconds" and isinstance(value, int | float)
    }
    on_gpus = [cost for cost in costs.values() if cost["peak_device_memory_bytes"] is not None]
    if on_gpus:
        numbers["cost/gpu_hours"] = sum(cost["seconds"] * cost["devices"] for cost in on_gpus) / 3600
    return numbers


def schedule_numbers(configuration: Mapping[str, Any]) -> dict[str, float]:
    """β and ρ per scale and per stage: the stage's own where its scales agree, else their mean.

    Off is β 0 and ρ 0. A generator without scales has none.
    """
    tokens = configuration.get("tokens")
    if tokens is None:
        return {}
    scales = Scales(tokens["patch_nums"])
    schedule = configuration.get("schedule") or {}
    numbers = {}
    for name in ("beta", "rho"):
        values = [float(value) for value in schedule.get(name) or [0.0] * len(scales)]
        for stage in STAGES:
            own = [value for scale, value in enumerate(values) if scales.stage_of(scale) == stage]
            if own:
                numbers[f"{name}/{stage}"] = own[0] if len(set(own)) == 1 else statistics.fmean(own)
        numbers |= {f"{name}/{scale:02d}": value for scale, value in enumerate(values)}
    return numbers


def refuse_replaced(stages: Stages, cells: Mapping[str, Result], manifest: Manifest) -> None:
    """Refuse numbers of files that are no longer those in the store.

    Args:
        stages: All of them done.
        cells: From `student_cells`.
        manifest: The set's.

    Raises:
        ValueError: If the set was generated with other weights than the tuned ones, or students were trained on other
            images; the message names the folder to delete.
    """
    made = {stages.generate.folder: manifest}
    if stages.off is not None:
        made[stages.off.folder] = Manifest.read(stages.off.folder)
    for folder, one in made.items():
        made_with = (one.configuration.get("weights") or {}).get("var")
        if stages.tune is not None and made_with not in (None, weights_sha256(stages.tune.outputs[0])):
            raise ValueError(
                f"{folder} was generated with other weights than those in {stages.tune.outputs[0]} now. Delete "
                f"{folder} to generate with these, or {stages.tune.folder} too to tune again; then run the same "
                "command."
            )
    for name, on, students in (
        ("student", stages.generate, stages.students),
        ("real", stages.real, stages.real_students),
    ):
        if on is None or students is None or name not in cells:
            continue
        here, used = Manifest.read(on.folder).hash, cells[name]["set"]["manifest_sha256"]
        if used != [here]:
            raise ValueError(
                f"The students in {students.folder} were trained on another set (manifest {', '.join(used)}) than the "
                f"one in {on.folder} now ({here}). Delete {students.folder} to train on this one, and run the same "
                "command."
            )


def _refuse_other_set_inspected(stages: Stages, inspected: Mapping[str, Any], manifest: Manifest) -> None:
    if stages.inspect is not None and inspected.get("set", {}).get("manifest_sha256", manifest.hash) != manifest.hash:
        raise ValueError(
            f"{stages.inspect.folder} tells of another set than the one in {stages.generate.folder} now. Delete "
            f"{stages.inspect.folder} to look at this one, and run the same command."
        )


def collect(
    trial: Trial,
    stages: Stages,
    seconds: Mapping[str, float],
    versions: Mapping[str, str | None],
    costs: Mapping[str, Cost],
    command: str,
) -> tuple[dict[str, Any], dict[str, float]]:
    """The trial's ``result.json`` and ``summary.json``.

    The first is a cell like any other, the students' on the set with the real images as their reference, and under
    ``trial`` all the rest.

    Args:
        trial: The trial.
        stages: Its stages, all of them done.
        seconds: Of each. Those of students count their seeds' own, whichever trial trained them.
        versions: Of this package, that made each.
        costs: Of each.
        command: What was typed.

    Raises:
        ValueError: If a file in the store was replaced, see `refuse_replaced`.
    """
    manifest = ShardSet.open(stages.generate.folder).manifest
    cells = student_cells(trial, stages)
    refuse_replaced(stages, cells, manifest)
    own = {"student": "students", "real": "real_students"}
    seconds = {**seconds, **{own[name]: cell["seconds"] for name, cell in cells.items()}}
    inspected = {} if stages.inspect is None else read_json(stages.inspect.folder / INSPECTED)
    _refuse_other_set_inspected(stages, inspected, manifest)
    cost = {
        name: stage_cost(costs[name], seconds[name], _images(name, stage)) for name, stage in stages.named().items()
    }
    summary = summarize(manifest.configuration, cells, inspected.get("summary", {}), seconds, cost)
    described = {
        "name": trial.name,
        "hash": stages.hash,
        "command": command,
        "values": dict(trial.values),
        "stages": {
            name: {"hash": stage.digest(), "folder": str(stage.folder), "command": stage.command_line,
                   "seconds": seconds[name], "version": versions[name], "cost": cost[name]}
            for name, stage in stages.named().items()
        },
        "set": {"generator": manifest.generator, "manifest_sha256": manifest.hash,
                "identity_hash": manifest.identity_hash, "configuration": dict(manifest.configuration)},
        "real": cells.get("real"),
        "inspect": inspected or None,
        "summary": summary,
    }  # fmt: skip
    return {"schema": SCHEMA, **cells.get("student", {}), "trial": described}, summary


def _images(name: str, stage: Stage) -> int | None:
    return len(ShardSet.open(stage.folder)) if name in _MAKE_IMAGES else None
