"""What came of a trial: one flat table of numbers, and everything in one file."""

import statistics
from collections.abc import Mapping
from typing import Any

from hieramp_lit import __version__
from hieramp_lit.distill.planning import INSPECTED, Stages, seed_folder
from hieramp_lit.distill.trial import Trial
from hieramp_lit.files import read_json
from hieramp_lit.report.results import MEASURES, SCHEMA, Result, aggregate, read
from hieramp_lit.report.scores import improvement_over_random
from hieramp_lit.shards import ShardSet
from hieramp_lit.var import STAGES, Scales

FILE = "summary.json"


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
) -> dict[str, float]:
    """All numbers of a trial by name, for tables, sweeps and parallel coordinates.

    Args:
        configuration: The generator's, from the set's manifest.
        cells: From `student_cells`.
        inspected: Numbers of ``hieramp inspect``.
        seconds: Of the stages, when they ran.

    Returns:
        ``student/top1_last`` (mean over seeds, a share), ``…_std_sample``, ``…_std_population``, likewise
        ``top1_best`` and top 5, ``student/n``, the same under ``real/``, ``student/ior_last`` and ``…_best``,
        ``beta/coarse`` …, ``beta/00`` … and ``rho/…``, ``set/…``, ``seconds/…``.
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
    return numbers | {f"seconds/{name}": value for name, value in seconds.items()}


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


def collect(trial: Trial, stages: Stages, seconds: Mapping[str, float]) -> tuple[dict[str, Any], dict[str, float]]:
    """The trial's ``result.json`` and ``summary.json``.

    The first is a cell like any other, the students' on the set with the real images as their reference, and under
    ``trial`` all the rest.

    Args:
        trial: The trial.
        stages: Its stages, all of them done.
        seconds: Of each.
    """
    manifest = ShardSet.open(stages.generate.folder).manifest
    cells = student_cells(trial, stages)
    inspected = {} if stages.inspect is None else read_json(stages.inspect.folder / INSPECTED)
    summary = summarize(manifest.configuration, cells, inspected.get("summary", {}), seconds)
    described = {
        "name": trial.name,
        "hash": stages.hash,
        "version": __version__,
        "values": dict(trial.values),
        "stages": {
            name: {"hash": stage.digest(), "folder": str(stage.folder), "command": stage.command_line,
                   "seconds": seconds[name]}
            for name, stage in stages.named().items()
        },
        "set": {"generator": manifest.generator, "manifest_sha256": manifest.hash,
                "identity_hash": manifest.identity_hash, "configuration": dict(manifest.configuration)},
        "real": cells.get("real"),
        "inspect": inspected or None,
        "summary": summary,
    }  # fmt: skip
    return {"schema": SCHEMA, **cells.get("student", {}), "trial": described}, summary
