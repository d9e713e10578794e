"""What a report tells: sources read into the blocks of a page."""

from hieramp_lit.report.content.writing import build_report, figures_beside, write_report

__all__ = ["build_report", "figures_beside", "write_report"]
