"""A trial of ``hieramp distill``: its sets, its students and the stages that made them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hieramp_lit.report.content.checking import checked_cell, checked_cost
from hieramp_lit.report.content.places import locate
from hieramp_lit.report.content.story import Member, StageRecord, Story, images_made, kind_of, open_sets, title_of
from hieramp_lit.report.content.students_folder import METRICS, curves_of

_SETS = {"generate": "generate", "off": "off", "real": "real"}
_STUDENTS = {"generate": "students", "real": "real_students"}


def read_trial(result: Mapping[str, Any], file: Path) -> Story:
    """Read a trial's ``result.json``.

    Args:
        result: Its content.
        file: The file, beside which the paths are looked for.
    """
    trial = result["trial"]
    stages: Mapping[str, Mapping[str, Any]] = trial["stages"]
    missing = list[str]()
    members = list[Member]()
    for name in _SETS:
        member = _member(name, result, file, missing)
        if member is not None:
            members.append(member)
    plan = members[0].result["set"]["images"] if members[0].result else None
    if members[0].draws:
        plan = len(members[0].draws[0])
    devices = {"students": str(result.get("device", "")), "real_students": str((trial["real"] or {}).get("device", ""))}
    records = list[StageRecord]()
    for name, stage in stages.items():
        cost, seconds = checked_cost(stage.get("cost"), file, f"trial.stages.{name}.cost"), float(stage["seconds"])
        images = images_made(seconds, cost) or _images(name, members, plan)
        if images is None and name in _SETS:
            missing.append(
                f"How many images the stage {name} made is not recorded, so nothing tells seconds per image."
            )
        records.append(
            StageRecord(
                name,
                str(stage["hash"]),
                seconds,
                str(stage["command"]),
                images,
                cost,
                devices.get(name, ""),
                str(stage["folder"]),
            )
        )
    order = ["real", "tune", "generate", "off", "students", "real_students", "inspect"]
    records.sort(key=lambda record: order.index(record.name) if record.name in order else len(order))
    versions = sorted({str(stage["version"]) for stage in stages.values() if stage.get("version")})
    facts = [
        ("trial", f"{trial['name']}, hash {trial['hash'][:10]}"),
        ("hieramp_lit of the stages", ", ".join(versions)),
    ]
    values = [(key, _shown(value)) for key, value in trial["values"].items() if value is not None]
    return Story(
        str(trial["name"]),
        "trial",
        file.parent,
        tuple(members),
        tuple(records),
        tuple(line for line in (trial.get("command"), *(record.command for record in records)) if line),
        _tuning(stages, file),
        tuple((name, value) for name, value in facts if value),
        tuple(values),
        tuple(missing),
    )


def _member(name: str, result: Mapping[str, Any], file: Path, missing: list[str]) -> Member | None:
    trial = result["trial"]
    stages = trial["stages"]
    if _SETS[name] not in stages:
        return None
    folder = stages[_SETS[name]]["folder"]
    draws, gone = open_sets([(folder, locate(folder, file))], "The trial's command makes it again.")
    missing += gone
    cells = {"generate": result if "per_seed" in result else None, "real": trial.get("real")}
    cell = cells.get(name)
    if cell is not None and "per_seed" not in cell:
        cell = None
    if cell is not None:
        cell = checked_cell(cell, file, "" if name == "generate" else f"trial.{name}")
    if name == "generate":
        described = trial["set"]
    elif draws:
        described = {"generator": draws[0].manifest.generator, "configuration": draws[0].manifest.configuration}
    else:
        described = cell["set"] if cell else {"generator": "random_real" if name == "real" else "hieramp"}
    made_by = (described["generator"], described.get("configuration"))
    curves: Mapping[str, Any] = {}
    if cell is not None and _STUDENTS[name] in stages:
        students = stages[_STUDENTS[name]]["folder"]
        there = locate(students, file)
        if there is None:
            missing.append(f"The folder {students} is gone, and the curves of its students with it.")
        else:
            curves = curves_of(there, cell["student_seeds"])
    return Member(
        title_of(*made_by),
        kind_of(*made_by),
        draws,
        None if cell is None else {key: value for key, value in cell.items() if key != "trial"},
        str(file),
        curves,
        trial.get("inspect") if name == "generate" else None,
    )


def _images(name: str, members: list[Member], plan: int | None) -> int | None:
    """The three sets of a trial are of one plan, but for an `off` set that may be smaller."""
    if name == "off":
        off = next((member for member in members[1:] if member.kind == "plain"), None)
        return len(off.draws[0]) if off is not None and off.draws else None
    return plan if name in _SETS else None


def _tuning(stages: Mapping[str, Mapping[str, Any]], file: Path) -> tuple[Path, ...]:
    folder = locate(stages["tune"]["folder"], file) if "tune" in stages else None
    return () if folder is None else tuning_metrics(folder)


def tuning_metrics(folder: Path) -> tuple[Path, ...]:
    """``metrics.csv`` of a tuning's attempts, in the order of writing."""
    runs = sorted(folder.glob(f"version_*/{METRICS}"), key=lambda path: (len(path.parent.name), path.parent.name))
    return tuple(runs)


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
