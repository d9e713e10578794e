"""From a path to what it holds: a shard set, a student run, a comparison, a trial, a demo, a sweep."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hieramp_lit.files import read_json
from hieramp_lit.report.content.checking import DamagedError, checked_cell
from hieramp_lit.report.content.places import locate
from hieramp_lit.report.content.read_demo import DEMO, read_demo
from hieramp_lit.report.content.read_sweep import Sweep, read_sweep
from hieramp_lit.report.content.read_trial import read_trial
from hieramp_lit.report.content.story import Kind, Member, StageRecord, Story, kind_of, open_sets, title_of
from hieramp_lit.report.content.students_folder import curves_of, set_of
from hieramp_lit.report.results import FILE, SCHEMA
from hieramp_lit.shards import ShardSet
from hieramp_lit.shards.format import MANIFEST

COMPARISON = "compare.json"
SWEEP = "sweep.json"
INSPECTED = "inspect.json"
KNOWN = (
    f"a shard set ({MANIFEST}), a sweep ({SWEEP}), a trial or students' results ({FILE}), a comparison ({COMPARISON}) "
    f"or a demo ({DEMO})"
)


def read_source(path: Path) -> Story | Sweep:
    """Read what a report is to tell of.

    Args:
        path: A folder, or the file in it that says what it is.

    Raises:
        FileNotFoundError: If there is nothing there.
        ShardError: If it is a damaged set.
        ValueError: If it is nothing that a report tells of, or its file is damaged.
    """
    given = path.expanduser()
    if not given.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder. A report tells of {KNOWN}.")
    names = (MANIFEST, SWEEP, DEMO, COMPARISON, FILE)
    file = given if given.is_file() else next((given / name for name in names if (given / name).is_file()), None)
    if file is None or file.name not in names:
        raise ValueError(f"{path}: nothing that a report tells of. It tells of {KNOWN}; give one of these folders.")
    if file.name == MANIFEST:
        return _read_set(file.parent)
    try:
        content = read_json(file)
        if not isinstance(content, Mapping):
            raise ValueError(f"an object was expected, this is a {type(content).__name__}")
        if content.get("schema") != SCHEMA and file.name != COMPARISON:
            raise ValueError(f"schema {content.get('schema')!r}, this release reads {SCHEMA}")
        if file.name == SWEEP:
            return read_sweep(content, file)
        if file.name == DEMO:
            return read_demo(content, file)
        if file.name == COMPARISON:
            return _read_comparison(content, file)
        return read_trial(content, file) if "trial" in content else _read_students(content, file)
    except DamagedError:
        raise
    except ValueError as error:
        raise ValueError(f"{file} cannot be read: {error}.") from error
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} is damaged, or not by this release ({type(error).__name__}: {error}).") from error


def set_member(shards: ShardSet) -> Member:
    """A set alone, with what ``hieramp inspect`` found of it."""
    manifest = shards.manifest
    inspected = None
    file = shards.path / INSPECTED
    if file.is_file():
        found = read_json(file)
        if found.get("set", {}).get("manifest_sha256") == manifest.hash:
            inspected = found
    title, kind = (
        title_of(manifest.generator, manifest.configuration),
        kind_of(manifest.generator, manifest.configuration),
    )
    return Member(title, kind, (shards,), inspected=inspected)


def _read_set(folder: Path) -> Story:
    shards = ShardSet.open(folder)
    return Story(folder.resolve().name, "shard set", folder, (set_member(shards),))


def _read_students(result: Mapping[str, Any], file: Path) -> Story:
    described = result["set"]
    named = set_of(file.parent)
    draws: tuple[ShardSet, ...] = ()
    missing = list[str]()
    if named is not None:
        draws, missing = open_sets([(named, locate(named, file))], "`hieramp report` also takes the set as a SOURCE.")
        wrong = [shards for shards in draws if shards.manifest.hash not in described["manifest_sha256"]]
        if wrong:
            missing.append(f"{wrong[0].path} is not the set that these students were trained on, so it is not shown.")
            draws = ()
    elif described.get("generator") is not None:
        missing.append(
            f"{file.parent} holds no config.yaml that names the set, so its images and tokens are not shown. Give the "
            "set's folder as another SOURCE."
        )
    of_set = set_member(draws[0]) if draws else None
    main = Member(
        title_of(described["generator"], described.get("configuration")),
        kind_of(described["generator"], described.get("configuration")),
        draws,
        checked_cell(result, file),
        str(file),
        curves_of(file.parent, result["student_seeds"]),
        None if of_set is None else of_set.inspected,
    )
    record = StageRecord("students", str(file), float(result["seconds"]), device=str(result.get("device", "")))
    members = (main, *_reference_of(result, str(file)))
    return Story(file.resolve().parent.name, "students", file.parent, members, (record,), missing=tuple(missing))


def _reference_of(result: Mapping[str, Any], source: str) -> tuple[Member, ...]:
    """Random real images that a result was laid beside: their numbers, without their runs."""
    reference = result.get("random_real_reference") or {}
    if "mean" not in reference:
        return ()
    summary = {name: reference[name] for name in ("n", "over", "mean", "std_sample", "std_population")}
    cell = {name: result[name] for name in ("schema", "protocol", "student", "teacher", "validation")}
    kind: Kind = "real"
    real = {**cell, "set": reference["set"], "summary": summary}
    return (Member("random real", kind, (), checked_cell(real, Path(source), "random_real_reference"), source),)


def _read_comparison(content: Mapping[str, Any], file: Path) -> Story:
    members, missing = list[Member](), list[str]()
    for number, row in enumerate(content["rows"]):
        of_set = row["set"]
        cell = {name: content[name] for name in ("student", "teacher", "validation", "student_seeds", "precision")}
        result: dict[str, Any] = {
            **cell,
            "schema": SCHEMA,
            **{name: row[name] for name in ("protocol", "set", "summary")},
        }
        own = file.parent / "results" / str(row["title"]).replace("/", "_") / FILE
        source = str(file)
        if own.is_file():
            found = read_json(own)
            if found["set"]["manifest_sha256"] == of_set["manifest_sha256"]:
                result, source = found, str(own)
        kind = kind_of(of_set["generator"], of_set.get("configuration"))
        where = "" if source == str(own) else f"rows[{number}]"
        members.append(Member(str(row["title"]), kind, (), checked_cell(result, Path(source), where), source))
    missing.append(
        f"{COMPARISON} does not say where the sets lie, so their images and tokens are not shown: give their folders "
        "as further SOURCEs."
    )
    facts = [
        (f"{score.upper()} of {row['title']}", f"{value:.3f}")
        for row in content["rows"]
        for score, value in row["scores"].items()
    ]
    name = file.resolve().parent.name
    return Story(name, "comparison", file.parent, tuple(members), facts=tuple(facts), missing=tuple(missing))
