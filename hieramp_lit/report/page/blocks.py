"""What a report consists of, before it is a page.

Every block carries the numbers that it shows, so that page and ``report.json`` say the same. Ids are unique in a
report, lower-case words joined by ``-``: they name anchors and the files of figures.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import matplotlib.figure
from PIL import Image

Cell = str | float | int | None
"""What stands in a table; None where there is nothing to say."""


@dataclass(frozen=True)
class Facts:
    """Names and values, one a line: what was made from what.

    Attributes:
        title: Heading; empty for none.
        rows: Name and value.
    """

    title: str
    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: Heading, with the unit where there is one: ``top-1 last, %``.
        decimals: Of numbers; None writes them as they are.
        numeric: Whether it is sorted and aligned as numbers.
    """

    title: str
    decimals: int | None = None
    numeric: bool = False


@dataclass(frozen=True)
class Table:
    """A table, which readers can sort by any column.

    Attributes:
        id: Anchor.
        title: Heading.
        columns: From left to right.
        rows: Cells, one for each column.
        caption: What the numbers are: units, what ± is over, n.
        folded: Whether it is closed until asked for.
    """

    id: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Figure:
    """A drawing of numbers.

    Attributes:
        id: Anchor, and name of its files.
        title: Heading.
        alt: What it shows, in words, for those who do not see it: the finding, not the form.
        caption: Units, what spread is over, n.
        numbers: Every number drawn, as JSON values.
        draw: Draws it.
        table: The same numbers to read without seeing or hovering; folded below the figure.
    """

    id: str
    title: str
    alt: str
    caption: str
    numbers: Mapping[str, Any]
    draw: Callable[[], matplotlib.figure.Figure]
    table: Table | None = None


@dataclass(frozen=True)
class Picture:
    """Pixels: a contact sheet, a strip of saliency maps.

    Attributes:
        id: Anchor, and name of its file.
        title: Heading.
        alt: What it shows, in words.
        caption: Which images, of which sets and seeds.
        image: RGB.
        numbers: What it shows, as JSON values: keys of images, values beside them.
    """

    id: str
    title: str
    alt: str
    caption: str
    image: Image.Image
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Commands:
    """Commands to type, one a line, which readers can copy."""

    title: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Note:
    """A sentence or two beside the numbers.

    Attributes:
        text: Plain text.
        kind: ``info``; ``missing``, for what the report lacks, why, and how to get it; ``warning``.
    """

    text: str
    kind: Literal["info", "missing", "warning"] = "info"


Block = Facts | Table | Figure | Picture | Commands | Note


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        id: Anchor.
        title: Heading.
        blocks: In order.
        lead: A sentence below the heading: what came out.
    """

    id: str
    title: str
    blocks: Sequence[Block]
    lead: str = ""


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes:
        title: Of the page.
        subtitle: One line: what was made, by what, and how good it is.
        sections: In order.
    """

    title: str
    subtitle: str
    sections: Sequence[Section]
