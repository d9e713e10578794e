"""The demo: draws of three kinds of sets, and a student on each."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hieramp_lit.files import read_json
from hieramp_lit.report.content.checking import checked_cell, checked_cost
from hieramp_lit.report.content.places import locate
from hieramp_lit.report.content.read_trial import tuning_metrics
from hieramp_lit.report.content.story import Member, StageRecord, Story, images_made, kind_of, open_sets
from hieramp_lit.report.content.students_folder import curves_of
from hieramp_lit.report.results import FILE, Result, aggregate, read
from hieramp_lit.shards import ShardSet

DEMO = "demo.json"

_AGAIN = "`hieramp demo` makes it again."
_ORDER = ("amplified", "other", "plain", "real")


def read_demo(content: Mapping[str, Any], file: Path) -> Story:
    """Read a ``demo.json``.

    Args:
        content: Its content.
        file: The file, beside which the paths are looked for.
    """
    missing = list[str]()
    members = [
        replace(_member(title, draws, file, missing), inspected=_inspected(title, content, file, missing))
        for title, draws in content["sets"].items()
    ]
    members.sort(key=lambda member: _ORDER.index(member.kind))
    there = [shards for member in members for shards in member.draws]
    named = sum(len(draws) for draws in content["sets"].values())
    records = list[StageRecord]()
    for name, spent in content.get("seconds", {}).items():
        cost, seconds = checked_cost(content.get("cost", {}).get(name), file, f"cost.{name}"), float(spent)
        images = images_made(seconds, cost)
        if images is None and name == "sets":
            if len(there) == named:
                images = sum(map(len, there))
            else:
                missing.append(
                    f"{named - len(there)} of {named} sets are gone, so nothing tells the seconds per image. {_AGAIN}"
                )
        device = _device(members) if name == "students" else ""
        records.append(StageRecord(name, f"{file.resolve()} {name}", seconds, images=images, cost=cost, device=device))
    tuning = locate(content["tuning"], file) if content.get("tuning") else None
    if content.get("tuning") and tuning is None:
        missing.append(f"The tuning {content['tuning']} is gone, and its curves with it. {_AGAIN}")
    return Story(
        "demo",
        "demo",
        file.parent,
        tuple(members),
        tuple(records),
        tuple(content.get("commands", ())),
        () if tuning is None else tuning_metrics(tuning if tuning.is_dir() else tuning.parent),
        missing=tuple(missing),
    )


def _member(title: str, draws: list[Mapping[str, Any]], file: Path, missing: list[str]) -> Member:
    named = [str(draw["set"]) for draw in draws]
    sets, gone = open_sets([(name, locate(name, file)) for name in named], _AGAIN)
    missing += gone
    results, curves, sources = list[Result](), dict[str, tuple[Path, ...]](), list[str]()
    for draw in draws:
        folder = locate(str(draw["student"]), file)
        try:
            if folder is None:
                raise ValueError(f"The student {draw['student']} is gone. {_AGAIN}")
            results.append(checked_cell(read(folder), folder / FILE if folder.is_dir() else folder))
        except ValueError as error:
            missing.append(str(error))
            continue
        home = folder if folder.is_dir() else folder.parent
        sources.append(str(home / FILE))
        for files in curves_of(home, results[-1]["student_seeds"]).values():
            curves[f"draw {draw['seed']}"] = files
    cell = None
    try:
        cell = aggregate(results) if results else None
    except ValueError as error:
        missing.append(f"The accuracy of {title} is not shown: {error}")
    return Member(title, _kind(title, sets, cell), sets, cell, ", ".join(sources), curves)


def _inspected(title: str, content: Mapping[str, Any], file: Path, missing: list[str]) -> Mapping[str, Any] | None:
    """What ``hieramp inspect`` found of the first draw, where the demo asked it."""
    named = content.get("inspect", {}).get(title)
    if named is None:
        return None
    there = locate(named, file)
    if there is None:
        missing.append(f"The inspection {named} is gone. {_AGAIN}")
        return None
    found: Mapping[str, Any] = read_json(there)
    return found


def _kind(title: str, sets: tuple[ShardSet, ...], cell: Result | None) -> Any:
    if sets:
        return kind_of(sets[0].manifest.generator, sets[0].manifest.configuration)
    if cell is not None:
        return kind_of(cell["set"]["generator"], cell["set"].get("configuration"))
    return "real" if title == "random real" else "other"


def _device(members: list[Member]) -> str:
    return next((str(member.result.get("device", "")) for member in members if member.result), "")
