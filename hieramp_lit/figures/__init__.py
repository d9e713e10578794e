"""Figures: drawn from plain numbers, without a screen and without global state; saved as SVG, PNG and PDF."""

from hieramp_lit.figures.bars import Bar, draw_bars
from hieramp_lit.figures.classes import draw_classes
from hieramp_lit.figures.curves import Curve, draw_curves
from hieramp_lit.figures.heatmaps import Panel, draw_heatmaps
from hieramp_lit.figures.parallel import Axis, draw_parallel
from hieramp_lit.figures.schedule import draw_schedule
from hieramp_lit.figures.style import COLOURS, SEQUENTIAL, STAGE_COLOURS, new_figure, save_figure, to_svg
from hieramp_lit.figures.token_changes import ChangeBar, ChangePanel, draw_changes
from hieramp_lit.figures.token_distinct import DistinctRow, draw_distinct
from hieramp_lit.figures.token_statistics import TokenCurve, draw_token_statistics

__all__ = [
    "COLOURS",
    "SEQUENTIAL",
    "STAGE_COLOURS",
    "Axis",
    "Bar",
    "ChangeBar",
    "ChangePanel",
    "Curve",
    "DistinctRow",
    "Panel",
    "TokenCurve",
    "draw_bars",
    "draw_changes",
    "draw_classes",
    "draw_curves",
    "draw_distinct",
    "draw_heatmaps",
    "draw_parallel",
    "draw_schedule",
    "draw_token_statistics",
    "new_figure",
    "save_figure",
    "to_svg",
]
