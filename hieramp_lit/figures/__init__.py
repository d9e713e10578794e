"""Figures: drawn from plain numbers, without a screen and without global state; saved as SVG, PNG and PDF."""

from hieramp_lit.figures.style import COLOURS, SEQUENTIAL, STAGE_COLOURS, new_figure, save_figure, to_svg

__all__ = ["COLOURS", "SEQUENTIAL", "STAGE_COLOURS", "new_figure", "save_figure", "to_svg"]
