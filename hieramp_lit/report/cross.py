"""The table of teachers × students (Table 2 of HIERAMP); and the same as data."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from hieramp_lit.report.comparison import MEASURES, as_csv
from hieramp_lit.report.results import Result
from hieramp_lit.report.table import accuracy, caption, protocol_name

SCHEMA = 1
FAILED = "failed"

Pair = tuple[str, str]
"""Teacher and student."""

Outcomes = Mapping[Pair, Result | str]
"""The result of each pair, all students under the first teacher first; or why there is none."""


def cross_json(outcomes: Outcomes) -> dict[str, Any]:
    """All cells as plain values, accuracies as shares."""
    cells, failures = _cells(outcomes), _failures(outcomes)
    return {
        "schema": SCHEMA,
        "cells": [
            {
                "teacher": teacher,
                "student": student,
                "set": {name: value for name, value in cell["set"].items() if name != "class_list"},
                "teacher_sha256": (cell["teacher"] or {}).get("sha256"),
                "teacher_validation_top1": (cell["teacher"] or {}).get("validation_top1"),
                "protocol": cell["protocol"]["name"],
                "student_seeds": cell["student_seeds"],
                "summary": cell["summary"],
            }
            for (teacher, student), cell in cells.items()
        ],
        "failures": [
            {"teacher": teacher, "student": student, "reason": reason}
            for (teacher, student), reason in failures.items()
        ],
    }


def cross_csv(outcomes: Outcomes) -> str:
    """One line a cell, accuracies as shares; a cell that failed has none."""
    lines: list[dict[str, Any]] = []
    for (teacher, student), outcome in outcomes.items():
        summary = None if isinstance(outcome, str) else outcome["summary"]
        line: dict[str, Any] = {"teacher": teacher, "student": student, "n": None if summary is None else summary["n"]}
        for measure in MEASURES:
            for kind in ("mean", "std_sample", "std_population"):
                line[f"{measure}_{kind}"] = None if summary is None else summary[kind][measure]
        lines.append(line)
    return as_csv(lines)


def cross_table(outcomes: Outcomes) -> Table:
    """Draw it for the terminal: a row a teacher, a column a student, last and best epoch in a cell."""
    table = Table(title=_title(outcomes), caption=_caption(outcomes))
    table.add_column("teacher")
    for student in _students(outcomes):
        table.add_column(student, justify="right")
    for teacher, texts in _rows(outcomes).items():
        table.add_row(teacher, *texts)
    return table


def cross_markdown(outcomes: Outcomes) -> str:
    """The same table in Markdown, with title and caption as lines above and below."""
    students = _students(outcomes)
    lines = [_title(outcomes), "", f"| teacher | {' | '.join(students)} |", "|---|" + "---:|" * len(students)]
    lines += [f"| {teacher} | {' | '.join(texts)} |" for teacher, texts in _rows(outcomes).items()]
    return "\n".join([*lines, "", _caption(outcomes), ""])


def _cells(outcomes: Outcomes) -> dict[Pair, Result]:
    return {pair: outcome for pair, outcome in outcomes.items() if not isinstance(outcome, str)}


def _failures(outcomes: Outcomes) -> dict[Pair, str]:
    return {pair: outcome for pair, outcome in outcomes.items() if isinstance(outcome, str)}


def _students(outcomes: Outcomes) -> list[str]:
    return list(dict.fromkeys(student for _, student in outcomes))


def _rows(outcomes: Outcomes) -> dict[str, list[str]]:
    """What stands in each teacher's row."""
    texts: dict[str, list[str]] = {}
    for (teacher, _), outcome in outcomes.items():
        text = FAILED if isinstance(outcome, str) else " / ".join(accuracy(outcome, measure) for measure in MEASURES)
        texts.setdefault(teacher, []).append(text)
    return texts


def _title(outcomes: Outcomes) -> str:
    cells = _cells(outcomes)
    if not cells:
        return "Top-1 in %: no cell was trained"
    first = next(iter(cells.values()))
    judges = first["validation"]["n"]
    return f"Top-1 in % on {first['set']['name']}, {judges} validation images, protocol {protocol_name(first)}"


def _caption(outcomes: Outcomes) -> str:
    cells = _cells(outcomes)
    return f"last / best epoch, {caption(cells.values())}" if cells else ""
