"""Heat maps with their values in the cells: one number over two settings."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from hieramp_lit.figures.labels import decimals_for, one_line, plain, wrapped
from hieramp_lit.figures.style import PAPER, SEQUENTIAL, new_figure

_BLACK, _WHITE = "#010101", "#ffffff"
_CELL, _ROW, _MARGIN, _WIDEST = 0.5, 0.3, 0.75, 6.6
_COLOURS_OF_BAR = 32


class Panel(NamedTuple):
    """One heat map.

    Attributes:
        title: Above it.
        row_title: What the rows are.
        rows: Their settings, from top to bottom.
        column_title: What the columns are.
        columns: Their settings, from left to right.
        values: One row of numbers for each row; None is an empty cell.
    """

    title: str
    row_title: str
    rows: Sequence[str | float]
    column_title: str
    columns: Sequence[str | float]
    values: Sequence[Sequence[float | None]]


def ink_on(colour: tuple[float, float, float]) -> str:
    """Black or white, whichever contrasts more with a colour (WCAG 2.2, relative luminance).

    Args:
        colour: Red, green, blue in [0, 1].
    """
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return _BLACK if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else _WHITE


def draw_heatmaps(panels: Sequence[Panel], label: str) -> Figure:
    """Panels on one colour scale, the value printed in each cell.

    Args:
        panels: At least one.
        label: What the values are, with the unit; at the colour bar.

    Raises:
        ValueError: If there is no panel or no value, or values do not fit the rows and columns.
    """
    known = [value for panel in panels for row in panel.values for value in row if value is not None]
    if not known:
        raise ValueError(f"draw_heatmaps: {len(panels)} panels without a value; expected at least one value.")
    for panel in panels:
        if len(panel.values) != len(panel.rows) or any(len(row) != len(panel.columns) for row in panel.values):
            raise ValueError(
                f"draw_heatmaps: {panel.title}: {[len(row) for row in panel.values]} values in its rows; expected "
                f"{len(panel.columns)} in each of {len(panel.rows)} rows."
            )
    norm = Normalize(min(known), max(known) if max(known) > min(known) else min(known) + 1)
    widest = max(len(panel.columns) for panel in panels) * _CELL + _MARGIN
    across = max(1, min(len(panels), math.floor(_WIDEST / widest)))
    down = math.ceil(len(panels) / across)
    tallest = max(len(panel.rows) for panel in panels) * _ROW + 0.85
    with new_figure(max(3.2, across * widest + 0.9), down * tallest + 0.1) as figure:
        grid = figure.subplots(down, across, squeeze=False)
        decimals = decimals_for(known)
        for axes, panel in itertools.zip_longest(grid.flat, panels):
            if panel is None:
                axes.set_visible(False)
            else:
                _draw_panel(axes, panel, norm, decimals)
        colours = ScalarMappable(norm, mpl.colormaps[SEQUENTIAL].resampled(_COLOURS_OF_BAR))
        bar = figure.colorbar(colours, ax=grid, label=label, fraction=0.04, aspect=25)
        bar.outline.set_visible(False)
    return figure


def _draw_panel(axes: Axes, panel: Panel, norm: Normalize, decimals: int) -> None:
    values = np.array([[math.nan if value is None else value for value in row] for row in panel.values])
    colours = mpl.colormaps[SEQUENTIAL]
    axes.pcolormesh(
        np.ma.masked_invalid(values), norm=norm, cmap=colours, edgecolors=PAPER, linewidth=1.5, antialiased=True
    )
    for (row, column), value in np.ndenumerate(values):
        if not math.isnan(value):
            red, green, blue, _ = colours(norm(value))
            axes.text(
                column + 0.5,
                row + 0.5,
                plain(value, decimals),
                ha="center",
                va="center",
                fontsize=8,
                color=ink_on((red, green, blue)),
            )
    axes.invert_yaxis()
    axes.set_xticks(np.arange(len(panel.columns)) + 0.5, [_setting(setting) for setting in panel.columns])
    axes.set_yticks(np.arange(len(panel.rows)) + 0.5, [_setting(setting) for setting in panel.rows])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(wrapped(panel.title, max(16, 8 * len(panel.columns))))
    axes.set_xlabel(panel.column_title)
    if len(panel.row_title) <= 2:  # one letter is read upright
        axes.set_ylabel(panel.row_title, rotation=0, ha="right", va="center")
    else:
        axes.set_ylabel(panel.row_title)


def _setting(setting: str | float) -> str:
    return one_line(setting, 16) if isinstance(setting, str) else plain(setting)
