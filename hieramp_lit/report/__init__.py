"""Reading results and showing them."""

from hieramp_lit.report.results import aggregate, read, summarize
from hieramp_lit.report.table import student_table, student_table_markdown

__all__ = ["aggregate", "read", "student_table", "student_table_markdown", "summarize"]
