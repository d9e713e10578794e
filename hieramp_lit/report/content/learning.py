"""What students learn: their curves over the epochs, and their accuracy in each class."""

import csv
import math
import statistics
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from hieramp_lit.figures.classes import draw_classes
from hieramp_lit.figures.curves import Curve, draw_curves, mean_curve
from hieramp_lit.report.content.story import Member, Story
from hieramp_lit.report.page import Block, Column, Figure, Note, Section, Table
from hieramp_lit.report.page.blocks import Cell
from hieramp_lit.report.table import caption

TOP1 = "val/top1"


def learning(story: Story, prefix: str) -> Section | None:
    """The section of one story; None where no student was trained.

    Args:
        story: The story.
        prefix: Of all ids.
    """
    judged = [member for member in story.members if member.result is not None]
    if not judged:
        return None
    blocks: list[Block] = []
    groups, unread = curves_by_member(judged)
    if groups:
        blocks.append(_curves(groups, prefix))
    without = [member.title for member in judged if member.title not in groups]
    if without:
        unread.append(
            f"No curves of: {', '.join(without)}. They lie in the metrics.csv of each run, which `hieramp students` "
            "writes below --trainer.logger.save_dir; give that run's folder as a SOURCE."
        )
    blocks += [Note(text, "missing") for text in unread]
    blocks += _per_class(judged, prefix)
    return Section(f"{prefix}learning", "What students learn", blocks)


def curves_by_member(members: Sequence[Member]) -> tuple[dict[str, list[Curve]], list[str]]:
    """Top-1 in % over the epochs by the member's title; and what could not be read, in sentences.

    Epochs count from 1, as in ``result.json``.
    """
    groups: dict[str, list[Curve]] = {}
    unread = []
    for member in members:
        curves = []
        for run, (name, files) in enumerate(member.curves.items()):
            try:
                values = read_curve(files, TOP1)
            except ValueError as error:
                unread.append(f"The curve of {member.title}, {name}, is not shown: {error}")
                continue
            number = name.rpartition(" ")[2]
            seed = int(number) if number.isdigit() else run
            if values:
                curves.append(Curve(seed, [epoch + 1 for epoch in values], [100 * value for value in values.values()]))
        if curves and _share_a_step(curves):
            groups[member.title] = curves
        elif curves:
            unread.append(f"The runs of {member.title} were evaluated after different epochs: there is no mean curve.")
    return groups, unread


def read_curve(files: Sequence[Path], name: str) -> dict[int, float]:
    """A column of ``metrics.csv`` by epoch; what stands there twice, as after a resumed run, counts as written last.

    Args:
        files: Of one run, in the order of writing.
        name: Of the column.

    Raises:
        ValueError: If a file cannot be read.
    """
    found: dict[int, float] = {}
    for path in files:
        try:
            with path.open(newline="", encoding="utf-8") as file:
                for line in csv.DictReader(file):
                    if line.get(name) and line.get("epoch") and math.isfinite(float(line[name])):
                        found[int(line["epoch"])] = float(line[name])
        except (OSError, ValueError, csv.Error) as error:
            raise ValueError(f"{path} is no readable metrics.csv ({error}).") from error
    return dict(sorted(found.items()))


def _share_a_step(curves: Sequence[Curve]) -> bool:
    return bool(set.intersection(*(set(curve.steps) for curve in curves)))


def _curves(groups: Mapping[str, list[Curve]], prefix: str) -> Figure:
    rows: list[list[Cell]] = []
    told: list[str] = []
    for name, curves in groups.items():
        mean = mean_curve(curves)
        told.append(f"{name} ends at {mean.means[-1]:.1f} %, best {mean.means[mean.best]:.1f} % after epoch "
                    f"{mean.steps[mean.best]}")  # fmt: skip
        for place, step in enumerate(mean.steps):
            rows.append([name, step, mean.means[place], None if mean.stds is None else mean.stds[place], len(curves)])
    numbers = {
        name: [{"seed": curve.seed, "epochs": list(curve.steps), "top1": list(curve.values)} for curve in curves]
        for name, curves in groups.items()
    }
    columns = (
        Column("set"), Column("epoch", 0, True), Column("top-1, %", 1, True), Column("±", 1, True),
        Column("runs", 0, True),
    )  # fmt: skip
    return Figure(
        f"{prefix}curves",
        "Students' top-1 over the epochs",
        "; ".join(told) + ".",
        "Mean and, shaded, ± sample standard deviation over the runs; ● last, ★ best epoch of the mean. The best is "
        "chosen by the images that judge.",
        numbers,
        partial(draw_curves, groups, "epoch", "top-1, %"),
        Table(f"{prefix}curves-table", "Students' top-1 over the epochs", columns, rows, folded=True),
    )


def per_class_means(member: Member) -> list[float | None] | None:
    """Top-1 of each class after the last epoch, in %, mean over the runs; None where the result has none."""
    runs = (member.result or {}).get("per_seed") or []
    lists = [run["last"].get("per_class") for run in runs]
    if not lists or any(one is None for one in lists) or len({len(one) for one in lists}) > 1:
        return None
    means: list[float | None] = []
    for values in zip(*lists, strict=True):
        known = [100 * value for value in values if value is not None]
        means.append(statistics.fmean(known) if known else None)
    return means


def class_names(member: Member) -> list[str] | None:
    """Names of the classes in `cls` order."""
    if member.draws:
        return list(member.draws[0].classes.names)
    entries = ((member.result or {}).get("set") or {}).get("class_list")
    return [str(entry["name"]) for entry in entries] if entries else None


def _per_class(members: Sequence[Member], prefix: str) -> list[Block]:
    values = {member.title: means for member in members if (means := per_class_means(member)) is not None}
    names = next((found for member in members if (found := class_names(member)) is not None), None)
    if not values or names is None:
        return [Note("No accuracy of single classes: the results are of a release that did not store it. Train the "
                     "students again.", "missing")]  # fmt: skip
    other = [title for title, means in values.items() if len(means) != len(names)]
    values = {title: means for title, means in values.items() if title not in other}
    if not values:
        return []
    first, means = next(iter(values.items()))
    known = sorted((value, name) for value, name in zip(means, names, strict=True) if value is not None)
    lowest = ", ".join(f"{name} {value:.1f} %" for value, name in known[:3])
    highest = ", ".join(f"{name} {value:.1f} %" for value, name in known[-3:][::-1])
    rows = [[cls, name, *(means[cls] for means in values.values())] for cls, name in enumerate(names)]
    columns = [Column("cls", 0, True), Column("class"), *(Column(f"{title}, %", 1, True) for title in values)]
    over = caption([member.result for member in members if member.result is not None and member.title in values])
    blocks: list[Block] = [
        Figure(
            f"{prefix}per-class",
            "Accuracy per class",
            f"{first}: hardest are {lowest}; easiest are {highest}.",
            f"Top-1 in % after the last epoch; {over.replace('mean ± sample standard deviation', 'mean')}.",
            {"classes": names, "top1": values},
            partial(draw_classes, names, values, "top-1 of the class, %"),
            Table(f"{prefix}per-class-table", "Accuracy per class", columns, rows, folded=True),
        )
    ]
    if other:
        blocks.append(Note(f"Not shown per class, as their classes are others: {', '.join(other)}.", "missing"))
    return blocks
