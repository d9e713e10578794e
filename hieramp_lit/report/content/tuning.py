"""What the class tokens have learnt: how well each scale's names the class of real images."""

import csv
import re
from functools import partial

from hieramp_lit.figures.class_token_accuracy import ScaleAccuracy, draw_class_token_accuracy
from hieramp_lit.report.content.learning import read_curve
from hieramp_lit.report.content.story import Story
from hieramp_lit.report.page import Column, Figure, Note, Section, Table
from hieramp_lit.report.page.blocks import Cell
from hieramp_lit.var import Scales

_UNCONDITIONAL, _LABELLED = "val/class_accuracy_unconditional", "val/class_accuracy"
_SCALE = re.compile(rf"{_UNCONDITIONAL}/(\d+)")


def tuning_section(story: Story, prefix: str) -> Section | None:
    """The section of one story; None where nothing was tuned.

    Args:
        story: The story.
        prefix: Of all ids.
    """
    if not story.tuning:
        return None
    section = f"{prefix}tuning"
    title = "What the class tokens know"
    sides = _sides(story)
    columns = _columns(story)
    classes = _classes(story)
    if not columns or sides is None or classes is None:
        what = f"{story.tuning[-1]} holds no {_UNCONDITIONAL}/00 …"
        if columns:
            what = "The set's sides of token maps or its classes are not known"
        text = f"{what}: tune again with this release, or `hieramp test` the tuned weights on validation images."
        return Section(section, title, [Note(text, "missing")])
    scales, epochs = list[ScaleAccuracy](), list[int]()
    rows: list[list[Cell]] = []
    for scale in columns:
        unconditional = read_curve(story.tuning, f"{_UNCONDITIONAL}/{scale:02d}")
        labelled = read_curve(story.tuning, f"{_LABELLED}/{scale:02d}")
        if not unconditional or not labelled or scale >= len(sides):
            continue
        last = max(unconditional)
        epochs.append(last + 1)
        scales.append(ScaleAccuracy(sides[scale], unconditional[last], labelled[max(labelled)]))
        rows.append([scale, f"{sides[scale]}×{sides[scale]}", 100 * unconditional[last], 100 * labelled[max(labelled)]])
    if not scales:
        return Section(section, title, [Note(f"{story.tuning[-1]} holds no finished validation.", "missing")])
    best = max(scales, key=lambda one: one.unconditional)
    chance = 1 / classes
    numbers = {"scales": [one._asdict() for one in scales], "chance": chance, "after_epoch": max(epochs)}
    alt = (
        f"From {100 * scales[0].unconditional:.0f} % at the coarsest scale to {100 * scales[-1].unconditional:.0f} % "
        f"at the finest; most, {100 * best.unconditional:.0f} %, at {best.side}×{best.side}; chance is "
        f"{100 * chance:.1f} %."
    )
    caption = (
        f"Share of validation images whose class each scale's class token names, after epoch {max(epochs)}. Under the "
        "unconditional label row it has to see the class in the image; under the true label it is told."
    )
    table = Table(
        f"{prefix}tuning-table", title,
        (Column("scale", 0, True), Column("tokens"), Column("unconditional row, %", 1, True),
         Column("true label, %", 1, True)),
        rows, folded=True,
    )  # fmt: skip
    drawing = partial(draw_class_token_accuracy, scales, chance)
    return Section(section, title, [Figure(f"{prefix}class-tokens", "Class-token accuracy per scale", alt, caption,
                                           numbers, drawing, table)])  # fmt: skip


def _columns(story: Story) -> list[int]:
    """Scales that the last attempt's file has columns of."""
    try:
        with story.tuning[-1].open(newline="", encoding="utf-8") as file:
            names = next(csv.reader(file), [])
    except (OSError, ValueError, csv.Error):
        return []
    return sorted(int(match[1]) for name in names if (match := _SCALE.fullmatch(name)))


def _sides(story: Story) -> tuple[int, ...] | None:
    for member in story.members:
        for tokens in (
            *(shards.manifest.configuration.get("tokens") for shards in member.draws),
            (((member.result or {}).get("set") or {}).get("configuration") or {}).get("tokens"),
        ):
            if tokens:
                return Scales(tokens["patch_nums"]).patch_nums
    return None


def _classes(story: Story) -> int | None:
    for member in story.members:
        if member.draws:
            return len(member.draws[0].classes)
        if member.result is not None and member.result["set"].get("classes"):
            return int(member.result["set"]["classes"])
    return None
