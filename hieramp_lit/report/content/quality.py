"""What ``hieramp inspect`` measured of a set: beside real images, and to a teacher."""

from hieramp_lit.report.content.story import Story
from hieramp_lit.report.page import Block, Column, Note, Section, Table
from hieramp_lit.report.page.blocks import Cell

_OF_TOKENS = ("token_", "class_token_", "codebook_")
"""What the section on tokens shows."""


def quality(story: Story, prefix: str) -> Section | None:
    """The section of one story; None where nothing was inspected.

    Args:
        story: The story.
        prefix: Of all ids.
    """
    inspected = story.main.inspected
    if inspected is None:
        return None
    numbers = {name: value for name, value in inspected["summary"].items() if not name.startswith(_OF_TOKENS)}
    blocks: list[Block] = []
    if numbers:
        rows: list[list[Cell]] = [[*name.partition("@")[::2], value] for name, value in numbers.items()]
        columns = (Column("measure"), Column("features"), Column("value", 4, True))
        text = str(inspected.get("comparable", ""))
        blocks.append(Table(f"{prefix}quality-table", "What an inspection measured", columns, rows, text))
    missing = {
        name: str(why) for name, why in inspected.get("not_measured", {}).items() if not name.startswith(_OF_TOKENS)
    }
    for reason in dict.fromkeys(missing.values()):
        names = dict.fromkeys(name.partition("@")[0] for name, why in missing.items() if why == reason)
        blocks.append(Note(f"Not measured: {', '.join(names)}: {reason}.", "missing"))
    reference = inspected.get("reference") or {}
    told = f"Beside {reference['images']} real images." if reference.get("images") else ""
    return Section(f"{prefix}quality", "Quality of the images", blocks, told) if blocks else None
