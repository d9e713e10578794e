"""What a report tells of, wherever it was read: sets, the students on them, what made both."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hieramp_lit.report.results import Result
from hieramp_lit.report.schedule_name import OFF, name_schedule
from hieramp_lit.shards import ShardError, ShardSet

Kind = Literal["amplified", "plain", "real", "other"]

_OF_VAR = ("hieramp", "var")
_REAL = "random_real"
_ONE_STRENGTH = re.compile(r"(\S+) (\S+) (\S+)%")
TITLES: dict[Kind, str] = {"amplified": "amplified", "plain": "plain", "real": "random real"}


@dataclass(frozen=True)
class Member:
    """Sets of one kind and the students on them.

    Attributes:
        title: What it is called in figures and tables.
        kind: By what made it.
        draws: The sets, by seed; empty where none is there to read.
        result: Of the students, a cell as `report.results` has it; at least ``set``, ``summary``, ``protocol``,
            ``student``, ``teacher`` and ``validation``.
        source: File that the result stands in.
        curves: Each run's ``metrics.csv`` files in the order of writing, by the run's name.
        inspected: What ``hieramp inspect`` found of the first draw.
    """

    title: str
    kind: Kind
    draws: tuple[ShardSet, ...] = ()
    result: Result | None = None
    source: str = ""
    curves: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    inspected: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class StageRecord:
    """One stage that ran.

    Attributes:
        name: ``tune``, ``generate``, ``students`` …
        hash: Of what decided it; stages of one hash ran once.
        seconds: That it took.
        command: As typed.
        images: That it made; None where it makes none.
        cost: As the stage recorded it: memory, devices; None of stages that did not.
        device: That its students ran on, where their result says so.
        folder: Of what it made, as the source names it; students of other seeds on one set share it.
    """

    name: str
    hash: str
    seconds: float
    command: str = ""
    images: int | None = None
    cost: Mapping[str, Any] | None = None
    device: str = ""
    folder: str = ""


@dataclass(frozen=True)
class Story:
    """One source of a report.

    Attributes:
        name: For people.
        what: Kind of source, in words: ``trial``, ``shard set`` …
        path: As it was given.
        members: What it tells of first, then what that lies beside.
        stages: That made it, in order; empty where nothing records them.
        commands: To make it again.
        tuning: ``metrics.csv`` files of the tuning, in the order of writing.
        facts: Name and value of what else the source says of itself.
        values: Its configuration as it was typed, by dotted keys.
        missing: Sentences: what the source names and is gone, and what to do.
    """

    name: str
    what: str
    path: Path
    members: tuple[Member, ...]
    stages: tuple[StageRecord, ...] = ()
    commands: tuple[str, ...] = ()
    tuning: tuple[Path, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def main(self) -> Member:
        """What it is about."""
        return self.members[0]

    def beside(self, kind: Kind) -> Member | None:
        """The first other member of a kind; None without."""
        return next((member for member in self.members[1:] if member.kind == kind), None)


def images_made(seconds: float, cost: Mapping[str, Any] | None) -> int | None:
    """How many images a stage made, by the seconds of each that it recorded; None where it did not."""
    each = (cost or {}).get("seconds_per_image")
    return round(seconds / each) if each else None


def kind_of(generator: str | None, configuration: Mapping[str, Any] | None) -> Kind:
    """By the generator's name, and whether anything is amplified.

    Args:
        generator: As a manifest or ``result.json: set`` has it.
        configuration: The generator's.
    """
    if generator == _REAL:
        return "real"
    if generator not in _OF_VAR:
        return "other"
    return "amplified" if (configuration or {}).get("schedule") else "plain"


def title_of(generator: str | None, configuration: Mapping[str, Any] | None) -> str:
    """What its sets are called: ``amplified: coarse, β 5, ρ 50 %``, ``plain``, ``random real``, ``rded``."""
    kind = kind_of(generator, configuration)
    if kind == "amplified":
        return f"amplified: {schedule_words(configuration or {})}"
    return TITLES.get(kind) or (generator or "full data set")


def schedule_words(configuration: Mapping[str, Any]) -> str:
    """The schedule of a set that VAR made, for people.

    Args:
        configuration: The generator's.

    Returns:
        ``coarse, β 5, ρ 50 %``; the paper's short form where stages differ; `OFF` where nothing is amplified. What is
        not as in the paper follows. Empty where the configuration does not say.
    """
    try:
        named = name_schedule(configuration)
    except (ValueError, LookupError, TypeError):
        return ""
    match = _ONE_STRENGTH.fullmatch(named.name)
    if match:
        where = "all stages" if match[1] == "full" else match[1].replace("+", " and ")
        words = f"{where}, β {match[2]}, ρ {match[3]} %"
    else:
        words = named.name if named.name == OFF else f"{named.name} (β of coarse, mid, fine)"
        words = words.replace("C-M-F ", "β ").replace(" (β of coarse, mid, fine)", " at coarse, mid, fine")
    return words


def same_plan(one: ShardSet, other: ShardSet) -> bool:
    """Whether two sets have the same images to make: seed, images of each class, class rows."""
    plans = [(shards.manifest.seed, shards.manifest.images_per_class, shards.classes.rows) for shards in (one, other)]
    return plans[0] == plans[1]


def open_sets(folders: Iterable[tuple[str, Path | None]], remedy: str) -> tuple[tuple[ShardSet, ...], list[str]]:
    """Open sets that a file names.

    Args:
        folders: As they are named, and where they were found; None for nowhere.
        remedy: What makes them again.

    Returns:
        Those that can be read, and a sentence for each that cannot.
    """
    found, missing = list[ShardSet](), list[str]()
    for named, path in folders:
        if path is None:
            missing.append(f"The set {named} is gone, so its images and tokens are not shown. {remedy}")
            continue
        try:
            found.append(ShardSet.open(path))
        except ShardError as error:
            missing.append(f"The set {path} cannot be read ({error}), so its images and tokens are not shown.")
    return tuple(sorted(found, key=lambda shards: shards.manifest.seed)), missing
