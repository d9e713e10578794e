"""A report as one page: what it consists of, and how that becomes HTML, JSON and files of figures."""

from hieramp_lit.report.page.blocks import (
    Block,
    Column,
    Commands,
    Facts,
    Figure,
    Note,
    Picture,
    Report,
    Section,
    Table,
)
from hieramp_lit.report.page.pixels import TooLargeError
from hieramp_lit.report.page.plain import as_json
from hieramp_lit.report.page.render import render, write_page

__all__ = [
    "Block",
    "Column",
    "Commands",
    "Facts",
    "Figure",
    "Note",
    "Picture",
    "Report",
    "Section",
    "Table",
    "TooLargeError",
    "as_json",
    "render",
    "write_page",
]
