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

__all__ = ["Block", "Column", "Commands", "Facts", "Figure", "Note", "Picture", "Report", "Section", "Table"]
