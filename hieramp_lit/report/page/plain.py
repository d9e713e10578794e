"""A report as plain JSON values: the same content as the page, for machines."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hieramp_lit.report.page.blocks import Block, Commands, Facts, Figure, Note, Picture, Report, Table

SCHEMA = 1
"""Version of ``report.json``."""


def as_json(report: Report) -> dict[str, Any]:
    """The report's content: every number of every table, figure and picture; no pixels, no drawing.

    JSON knows no numbers that are not finite: they stand as the strings ``nan``, ``inf`` and ``-inf``.

    Raises:
        TypeError: If a block holds something that JSON cannot say; the message names where.
    """
    return {
        "schema": SCHEMA,
        "title": report.title,
        "subtitle": report.subtitle,
        "sections": [
            {
                "id": section.id,
                "title": section.title,
                "lead": section.lead,
                "blocks": [_block(block) for block in section.blocks],
            }
            for section in report.sections
        ],
    }


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Facts():
            return {"kind": "facts", "title": block.title, "rows": [list(row) for row in block.rows]}
        case Table():
            return {"kind": "table", **_table(block)}
        case Figure():
            table = None if block.table is None else _table(block.table)
            return {"kind": "figure", **_told(block), "table": table}
        case Picture():
            return {"kind": "picture", **_told(block), "width": block.image.width, "height": block.image.height}
        case Commands():
            return {"kind": "commands", "title": block.title, "lines": list(block.lines)}
        case Note():
            return {"kind": "note", "note": block.kind, "text": block.text}


def _told(block: Figure | Picture) -> dict[str, Any]:
    return {
        "id": block.id,
        "title": block.title,
        "alt": block.alt,
        "caption": block.caption,
        "numbers": _plain(block.numbers, f"{block.id}: numbers"),
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "id": table.id,
        "title": table.title,
        "caption": table.caption,
        "columns": [{"title": column.title, "numeric": column.numeric} for column in table.columns],
        "rows": _plain(table.rows, f"{table.id}: rows"),
    }


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, f"{where}: {key}") for key, inner in value.items()}
    if isinstance(value, Sequence):
        return [_plain(inner, f"{where}: {place}") for place, inner in enumerate(value)]
    raise TypeError(f"{where}: {type(value).__name__} is no JSON value; expected numbers, words, lists or mappings.")
