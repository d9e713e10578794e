"""Teachers × students on one set (Table 2 of HIERAMP)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hieramp_lit.comparison.cell import Cell, RunStage, StudentArguments, train
from hieramp_lit.files import write_json, write_text
from hieramp_lit.report.cross import Pair, cross_csv, cross_json, cross_markdown
from hieramp_lit.report.results import FILE, Result
from hieramp_lit.shards import ShardSet
from hieramp_lit.stages import StageError

NAME = "cross"


@dataclass(frozen=True)
class NamedTeacher:
    """A teacher of the table.

    Attributes:
        architecture: By any name that `create_student` takes.
        checkpoint: Its weights; None takes those that the library publishes.
    """

    architecture: str
    checkpoint: str | None

    def flags(self, configured: Mapping[str, Any] | None) -> tuple[str, ...]:
        """As arguments of the students' configuration.

        Args:
            configured: Its ``model.teacher``, whose other settings stay; None where it has none.
        """
        named = {
            "architecture": self.architecture,
            "checkpoint": self.checkpoint,
            "pretrained": self.checkpoint is None,
        }
        # As a whole: jsonargparse makes the text "None" of a null that is given for a key of a nested object.
        return "--model.teacher", json.dumps({**(configured or {}), **named})


def parse_teacher(text: str) -> NamedTeacher:
    """Read ``NAME`` (published weights) or ``NAME=CHECKPOINT``.

    Raises:
        ValueError: If one side of ``=`` is empty.
    """
    name, given, checkpoint = text.partition("=")
    if not name or (given and not checkpoint):
        raise ValueError(f"--teachers {text!r}: expected NAME, which takes published weights, or NAME=CHECKPOINT.")
    return NamedTeacher(name, checkpoint or None)


@dataclass(frozen=True)
class CrossArchitecture:
    """What is crossed.

    Attributes:
        shards: Folder of the set.
        arguments: How students are trained, without teacher and student.
        teachers: Rows.
        students: Columns, by any name that `create_student` takes.
        seeds: Of the students.
        out: Folder for results and tables.

    Raises:
        ValueError: If a teacher, student or seed comes twice.
    """

    shards: Path
    arguments: StudentArguments
    teachers: tuple[NamedTeacher, ...]
    students: tuple[str, ...]
    seeds: tuple[int, ...]
    out: Path

    def __post_init__(self) -> None:
        for flag, names in (
            ("teachers", [teacher.architecture for teacher in self.teachers]),
            ("students", self.students),
            ("seeds", self.seeds),
        ):
            if len(set(names)) < len(names):
                raise ValueError(f"--{flag} {' '.join(map(str, names))}: one comes twice. Give each once.")


def cross(
    crossed: CrossArchitecture,
    run: RunStage,
    tell: Callable[[str], None],
    progress: Callable[[int, int], None] | None = None,
) -> dict[Pair, Result | str]:
    """Train what is not trained yet, and write each cell's ``result.json`` and ``cross.json``, ``.md`` and ``.csv``.

    A cell that fails does not stop the others.

    Args:
        crossed: What is crossed.
        run: See `RunStage`.
        tell: Shows a line to the user.
        progress: Called with the numbers of cells that were trained now, or failed, and of those that had to be.

    Returns:
        Results by teacher and student; of those that failed the reason.

    Raises:
        RunStoppedError: If a signal ends it; the same call goes on.
        ShardError: If the set is not finished or damaged.
        ValueError: If the students take hard labels, of which no teacher knows.
    """
    if crossed.arguments.labels == "hard":
        raise ValueError(
            "model.protocol.labels is hard: no teacher is asked then, and the students of all --teachers would be the "
            "same. Give a protocol whose model.protocol.labels is soft, or train students alone by `hieramp students`."
        )
    shards = ShardSet.open(crossed.shards)
    outcomes: dict[Pair, Result | str] = {}
    done_before = 0
    configured = crossed.arguments.values["model"]["init_args"].get("teacher")
    for teacher in crossed.teachers:
        for student in crossed.students:
            pair = (teacher.architecture, student)
            title = f"{student} taught by {teacher.architecture}"
            arguments = crossed.arguments.adding(*teacher.flags(configured), "--model.student", student)
            try:
                cell = Cell.of(title, arguments, shards, crossed.seeds, crossed.out / "students")
                done_before += not cell.missing
                outcomes[pair] = result = train(cell, run, crossed.out)
            except (StageError, ValueError, OSError) as error:
                outcomes[pair] = reason(error)
                tell(f"{title} failed: {outcomes[pair]}")
            else:
                write_json(crossed.out / "results" / "--".join(pair).replace("/", "_") / FILE, result)
            if progress is not None and len(outcomes) > done_before:
                progress(len(outcomes) - done_before, len(crossed.teachers) * len(crossed.students) - done_before)
    write_json(crossed.out / f"{NAME}.json", cross_json(outcomes))
    write_text(crossed.out / f"{NAME}.md", cross_markdown(outcomes))
    write_text(crossed.out / f"{NAME}.csv", cross_csv(outcomes))
    return outcomes


def reason(error: Exception) -> str:
    """Why something failed, in one message: what the stage's process said last, where there was one."""
    if not isinstance(error, StageError):
        return str(error)
    lines = error.last_lines()
    said = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    if said:
        told = [line for line in lines[said[-1] :] if line and "HIERAMP_DEBUG" not in line]
    else:
        told = [line for line in lines if line.strip()][-1:]
    return " ".join([" ".join(told).removeprefix("error: ") or str(error), f"(whole output: {error.log})"])
