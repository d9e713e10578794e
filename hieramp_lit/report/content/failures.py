"""Where the generator fails: the images whose class a teacher finds least likely."""

from collections.abc import Mapping, Sequence
from typing import Any

from hieramp_lit.report.content.learning import class_names
from hieramp_lit.report.content.story import Member, Story
from hieramp_lit.report.page import Block, Column, Note, Picture, Section, Table
from hieramp_lit.shards import ShardError, ShardSet
from hieramp_lit.shards.contact_sheet import draw_grid
from hieramp_lit.shards.format import parse_key

_MOST_SHOWN = 10
_ASK = "`hieramp inspect {} --config STUDENT.yaml` asks the student's teacher"
_PER_CLASS = "teacher_confidence@"


def failures(story: Story, prefix: str) -> Section | None:
    """The section of one story; None where no set is there.

    Args:
        story: The story.
        prefix: Of all ids.
    """
    main = story.main
    if not main.draws and main.inspected is None:
        return None
    section, title = f"{prefix}failures", "Failures"
    folder = main.draws[0].path if main.draws else "SET"
    if main.inspected is None:
        text = f"No teacher was asked about these images: {_ASK.format(folder)} (in a trial: the section inspect)."
        return Section(section, title, [Note(text, "missing")])
    blocks: list[Block] = []
    lead = ""
    listed = {name: answers for name, answers in main.inspected.get("lowest_confidence", {}).items() if answers}
    for name, answers in listed.items():
        blocks += _lowest(main, name, answers, f"{prefix}failures")
        share = main.inspected["summary"].get(f"teacher_top1@{name}")
        if share is not None:
            lead = f"{name} recognizes {100 * share:.1f} % of the images."
    if not listed:
        blocks.append(
            Note(
                f"The inspection does not list images that a teacher believes in least: it had no teacher of these "
                f"classes, or is of an older release. {_ASK.format(folder)}.",
                "missing",
            )
        )
        blocks += _classes(main.inspected, prefix)
    return Section(section, title, blocks, lead)


def _lowest(member: Member, network: str, answers: Sequence[Mapping[str, Any]], prefix: str) -> list[Block]:
    names = class_names(member) or []
    shown = answers[:_MOST_SHOWN]
    blocks: list[Block] = []
    if member.draws:
        try:
            blocks.append(_picture(member.draws[0], network, shown, names, prefix))
        except (ShardError, ValueError, LookupError) as error:
            blocks.append(Note(f"Images that cannot be shown: {error}", "warning"))
    rows = [
        [one["image"], _name(names, one["cls"]), 100 * one["confidence"], _name(names, one["taken_for"]),
         100 * one["taken_with"]]
        for one in answers
    ]  # fmt: skip
    columns = (Column("image"), Column("class"), Column("confidence, %", 1, True), Column("taken for"),
               Column("with, %", 1, True))  # fmt: skip
    blocks.append(
        Table(
            f"{prefix}-table", f"The {len(rows)} images that {network} believes in least", columns, rows,
            f"Confidence: probability that {network} gives the image's class; taken for: the class it finds likeliest.",
            folded=bool(blocks),
        )
    )  # fmt: skip
    return blocks


def _picture(
    shards: ShardSet, network: str, shown: Sequence[Mapping[str, Any]], names: Sequence[str], prefix: str
) -> Picture:
    position_of = {one["image"]: _position(shards, one["image"]) for one in shown}
    images = {sample.key: sample.image for sample in shards.take(position_of.values())}
    titles = [
        f"{one['image']}   {_name(names, one['cls'])}: {100 * one['confidence']:.1f} %"
        + (
            ""
            if one["taken_for"] == one["cls"]
            else f"   taken for {_name(names, one['taken_for'])}: {100 * one['taken_with']:.1f} %"
        )
        for one in shown
    ]
    wrong = sum(one["cls"] != one["taken_for"] for one in shown)
    worst = shown[0]
    return Picture(
        f"{prefix}-sheet",
        f"Least believed by {network}",
        f"Of these {len(shown)} images {wrong} are taken for another class; the worst, {worst['image']} of "
        f"{_name(names, worst['cls'])}, for {_name(names, worst['taken_for'])}.",
        f"The images to whose class {network} gives the lowest probability, and what it takes for another.",
        draw_grid({"": [[images[one["image"]]] for one in shown]}, titles),
        {"network": network, "images": [dict(one) for one in shown]},
    )


def _classes(inspected: Mapping[str, Any], prefix: str) -> list[Block]:
    """Means of classes, where single images are not told."""
    rows_of = inspected.get("per_class") or []
    column = next((name for row in rows_of for name in row if name.startswith(_PER_CLASS)), None)
    if column is None:
        return []
    rows = sorted(
        ([row["name"], 100 * row[column]] for row in rows_of if row[column] is not None), key=lambda row: row[1]
    )
    network = column.removeprefix(_PER_CLASS)
    columns = (Column("class"), Column("mean confidence, %", 1, True))
    title = f"Classes that {network} believes in least"
    return [
        Table(
            f"{prefix}failures-classes",
            title,
            columns,
            rows[:_MOST_SHOWN],
            f"Lowest {len(rows[:_MOST_SHOWN])} of {len(rows)}.",
        )
    ]


def _position(shards: ShardSet, key: str) -> int:
    row, index = parse_key(key)
    return shards.manifest.rows.index(row) * shards.manifest.images_per_class + index


def _name(names: Sequence[str], cls: int) -> str:
    return names[cls] if cls < len(names) else f"cls {cls}"
