"""The table of a comparison: one row a set, with what it adds to random real images; and the same as data."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rich.table import Table

from hieramp_lit.report.results import Result
from hieramp_lit.report.scores import (
    augmentation_robust_score,
    hard_label_recovery,
    improvement_over_random,
    label_robust_score,
)
from hieramp_lit.report.table import accuracy, caption, protocol_name

SCHEMA = 1
MEASURES = ("top1_last", "top1_best")
SCORES = ("hlr", "lrs", "ars")

_T = TypeVar("_T")


@dataclass(frozen=True)
class Judged:
    """Students on one set, under the protocol and under its variants.

    Attributes:
        protocol: As the configuration says.
        hard: With hard labels; None if nobody asked.
        plain: On images that are neither cropped nor mixed; None if nobody asked.
    """

    protocol: Result
    hard: Result | None = None
    plain: Result | None = None


@dataclass(frozen=True)
class ComparisonRow:
    """One set of a comparison.

    Attributes:
        title: Name of the row.
        pixels: Height and width of the images.
        judged: Students on the set.
        reference: Title of the row of its random real images; None for such a row, and where there is none.
        ior: Improvement over random real images by measure; empty without reference.
        scores: Those of `SCORES` that were asked for.
    """

    title: str
    pixels: tuple[int, int]
    judged: Judged
    reference: str | None = None
    ior: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        title: str,
        pixels: tuple[int, int],
        judged: Judged,
        reference: tuple[str, Judged] | None = None,
        scores: Sequence[str] = (),
        full: float | None = None,
    ) -> "ComparisonRow":
        """Compare a set with its random real images.

        Args:
            title: Name of the row.
            pixels: Height and width of the images.
            judged: Students on the set.
            reference: Title and students of its random real images.
            scores: Which of `SCORES` to give; they are over the last epoch.
            full: Accuracy of the student on the full data with hard labels, in [0, 1]; of HLR and LRS.

        Raises:
            ValueError: If a score lacks what it is made of, or an accuracy is outside [0, 1].
        """
        real = None if reference is None else reference[1]
        ior = {} if real is None else {name: _ior(judged.protocol, real.protocol, name) for name in MEASURES}
        found: dict[str, float] = {}
        if {"hlr", "lrs"} & set(scores):
            hlr = hard_label_recovery(_given(full, "hlr"), _mean(_given(judged.hard, "hlr"), "top1_last"))
            found = {"hlr": hlr} if "hlr" in scores else {}
        if "lrs" in scores:
            found["lrs"] = label_robust_score(_given(ior.get("top1_last"), "lrs"), hlr)
        if "ars" in scores:
            plain = _ior(_given(judged.plain, "ars"), _given(_given(real, "ars").plain, "ars"), "top1_last")
            found["ars"] = augmentation_robust_score(ior["top1_last"], plain)
        return cls(title, pixels, judged, None if reference is None else reference[0], ior, found)

    def to_json(self) -> dict[str, Any]:
        """Plain values: accuracies and differences as shares, not in per cent."""
        cell = self.judged.protocol
        variants = {"hard_labels": self.judged.hard, "not_augmented": self.judged.plain}
        return {
            "title": self.title,
            "set": {name: value for name, value in cell["set"].items() if name != "class_list"},
            "pixels": list(self.pixels),
            "protocol": cell["protocol"],
            "summary": cell["summary"],
            **{name: None if variant is None else variant["summary"] for name, variant in variants.items()},
            "reference": self.reference,
            "ior": dict(self.ior) or None,
            "scores": dict(self.scores),
        }


def comparison_json(rows: Sequence[ComparisonRow], full: float | None = None) -> dict[str, Any]:
    """All of a comparison as plain values; a protocol's constants depend on the set, so each row has its own.

    Args:
        rows: At least one.
        full: Accuracy on the full data that scores were made with.
    """
    first = rows[0].judged.protocol
    same = ("student", "teacher", "student_seeds", "validation", "precision")
    return {
        "schema": SCHEMA,
        "protocol": {name: first["protocol"].get(name) for name in ("name", "version")},
        **{name: first[name] for name in same},
        "full_hard_label_top1": full,
        "rows": [row.to_json() for row in rows],
    }


def comparison_csv(rows: Sequence[ComparisonRow]) -> str:
    """The same with one line a row: accuracies and differences as shares; empty where something was not measured."""
    lines = []
    for row in rows:
        cell = row.judged.protocol
        line: dict[str, Any] = {"set": row.title, "generator": cell["set"]["generator"]}
        line |= {name: cell["set"][name] for name in ("images_per_class", "classes")}
        line |= {"height": row.pixels[0], "width": row.pixels[1], "n": cell["summary"]["n"]}
        for name, result in (("", cell), ("hard_", row.judged.hard), ("not_augmented_", row.judged.plain)):
            for measure in MEASURES:
                for kind in ("mean", "std_sample", "std_population"):
                    line[f"{name}{measure}_{kind}"] = None if result is None else result["summary"][kind][measure]
        line |= {"reference": row.reference}
        line |= {f"ior_{measure}": row.ior.get(measure) for measure in MEASURES}
        line |= {score: row.scores.get(score) for score in SCORES}
        lines.append(line)
    return as_csv(lines)


def as_csv(lines: Sequence[Mapping[str, Any]]) -> str:
    """Lines with the same keys as CSV; None is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def comparison_table(rows: Sequence[ComparisonRow]) -> Table:
    """Draw it for the terminal."""
    table = Table(title=_title(rows), caption=_caption(rows))
    columns = _columns(rows)
    for column in columns:
        table.add_column(column, justify="left" if column == "set" else "right", overflow="fold")
    for row in rows:
        table.add_row(*(show(row) for show in columns.values()))
    return table


def comparison_markdown(rows: Sequence[ComparisonRow]) -> str:
    """The same table in Markdown, with title and caption as lines above and below."""
    columns = _columns(rows)
    lines = [_title(rows), "", f"| {' | '.join(columns)} |", "|---|" + "---:|" * (len(columns) - 1)]
    lines += [f"| {' | '.join(show(row) for show in columns.values())} |" for row in rows]
    return "\n".join([*lines, "", _caption(rows), ""])


def _columns(rows: Sequence[ComparisonRow]) -> dict[str, Callable[[ComparisonRow], str]]:
    """Title of each column that some row has something in, and what stands there."""
    columns: dict[str, Callable[[ComparisonRow], str]] = {
        "set": lambda row: row.title,
        "IPC": lambda row: str(row.judged.protocol["set"]["images_per_class"]),
        "pixels": lambda row: "×".join(map(str, row.pixels)),
        "last": lambda row: accuracy(row.judged.protocol, "top1_last"),
        "best": lambda row: accuracy(row.judged.protocol, "top1_best"),
        "IOR": lambda row: f"{100 * row.ior['top1_last']:+.1f}" if row.ior else "",
        "hard": lambda row: "" if row.judged.hard is None else accuracy(row.judged.hard, "top1_last"),
        "no aug": lambda row: "" if row.judged.plain is None else accuracy(row.judged.plain, "top1_last"),
        "HLR": lambda row: f"{100 * row.scores['hlr']:.1f}" if "hlr" in row.scores else "",
        "LRS": lambda row: f"{row.scores['lrs']:.3f}" if "lrs" in row.scores else "",
        "ARS": lambda row: f"{row.scores['ars']:.3f}" if "ars" in row.scores else "",
    }
    if len({row.pixels for row in rows}) == 1:
        del columns["pixels"]  # what is the same everywhere would cost the width that the numbers need
    return {name: show for name, show in columns.items() if any(show(row) for row in rows)}


def _title(rows: Sequence[ComparisonRow]) -> str:
    first = rows[0].judged.protocol
    student, judges = first["student"]["architecture"], first["validation"]["n"]
    return f"Top-1 in % of {student} on {judges} validation images, protocol {protocol_name(first)}"


def _caption(rows: Sequence[ComparisonRow]) -> str:
    text = caption(row.judged.protocol for row in rows)
    if any(row.ior for row in rows):
        text += "; IOR: points that a set is above random real images of its classes, number and size, last epoch"
    if any(row.judged.hard for row in rows):
        text += "; hard: with hard labels, last epoch"
    if any(row.judged.plain for row in rows):
        text += "; no aug: on images neither cropped nor mixed, last epoch"
    return text


def _mean(cell: Result, measure: str) -> float:
    return float(cell["summary"]["mean"][measure])


def _ior(cell: Result, real: Result, measure: str) -> float:
    return improvement_over_random(_mean(cell, measure), _mean(real, measure))


def _given(value: _T | None, score: str) -> _T:
    if value is None:
        needed = {
            "hlr": "hard-label students and the accuracy on the full data (--full)",
            "lrs": "random real images",
            "ars": "random real images, and students on images that are not augmented",
        }
        raise ValueError(f"--scores {score} needs {needed[score]}.")
    return value
