"""Shares of classes in which something rises, stays and falls, set by set (HIERAMP, Fig. 3, 8 and 9)."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hieramp_lit.figures.labels import wrapped
from hieramp_lit.figures.style import PAPER, new_figure

_KINDS = (("rise", "#0072B2", "#ffffff"), ("stay", "#c9c9c9", "#010101"), ("fall", "#D55E00", "#010101"))
_ACROSS, _NARROWEST = 3, 0.085
_WIDTH_OF_LABEL = 24


class ChangeBar(NamedTuple):
    """One bar.

    Attributes:
        label: What it is, beside it.
        rise: Classes whose value rises.
        stay: Classes whose value stays.
        fall: Classes whose value falls.
    """

    label: str
    rise: int
    stay: int
    fall: int


class ChangePanel(NamedTuple):
    """Bars side by side.

    Attributes:
        title: Above them.
        bars: From top to bottom.
    """

    title: str
    bars: Sequence[ChangeBar]


def draw_changes(panels: Sequence[ChangePanel], measure: str) -> Figure:
    """Stacked bars of shares in %, three panels in a row; a share of 8 % and more is printed in its part of the bar.

    Args:
        panels: With the same labels in all, e.g. a panel a stage and a bar a set.
        measure: What rises and falls, for the title, e.g. ``entropy``.

    Raises:
        ValueError: If there is no panel, bars differ between panels, or a bar has no class.
    """
    labels = {tuple(bar.label for bar in panel.bars) for panel in panels}
    empty = [bar.label for panel in panels for bar in panel.bars if bar.rise + bar.stay + bar.fall < 1]
    if len(labels) != 1 or not next(iter(labels)) or empty:
        raise ValueError(
            f"draw_changes: bars {sorted(labels)} in {len(panels)} panels received, without a class: {empty}; expected "
            "at least one panel, the same bars in each, and a class in every bar."
        )
    across = min(_ACROSS, len(panels))
    down = math.ceil(len(panels) / across)
    names = [wrapped(label, _WIDTH_OF_LABEL) for label in next(iter(labels))]
    tallest = 0.32 * sum(1 + 0.3 * name.count("\n") for name in names) + 0.62
    with new_figure(1.6 + 1.75 * across, down * tallest + 0.5) as figure:
        grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
        for axes, panel in itertools.zip_longest(grid.flat, panels):
            if panel is None:
                axes.set_visible(False)
            else:
                _draw_panel(axes, panel, names)
        figure.supxlabel(f"% of classes, by what their {measure} does", fontsize=9)
        handles, texts = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside upper right", ncols=3)
    return figure


def _draw_panel(axes: Axes, panel: ChangePanel, names: Sequence[str]) -> None:
    places = range(len(panel.bars))
    start = [0.0] * len(panel.bars)
    for kind, colour, ink in _KINDS:
        shares = [getattr(bar, kind) / (bar.rise + bar.stay + bar.fall) for bar in panel.bars]
        axes.barh(
            places, [100 * s for s in shares], left=start, color=colour, edgecolor=PAPER, height=0.76, label=f"{kind}s"
        )
        for place, share in enumerate(shares):
            if share >= _NARROWEST - 0.005:
                text = f"{100 * share:.0f}"
                axes.text(
                    start[place] + 50 * share, place, text, ha="center", va="center_baseline", fontsize=8, color=ink
                )
            start[place] += 100 * share
    axes.set_yticks(places, names)
    axes.set_xlim(0, 100)
    axes.set_xticks([0, 50, 100])
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_title(wrapped(panel.title, 28), loc="left")
