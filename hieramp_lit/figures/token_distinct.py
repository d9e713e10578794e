"""Heatmaps of different codes at each position of each scale, the mean in the corner (HIERAMP, Fig. 4)."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hieramp_lit.figures.labels import wrapped
from hieramp_lit.figures.style import SEQUENTIAL, new_figure

_INCHES, _ACROSS, _DOWN = 0.66, 1.12, 1.34
"""Side of a map; from one to the next, in sides."""
_COLOURS_OF_BAR = 32


class DistinctRow(NamedTuple):
    """One set.

    Attributes:
        title: What it is called.
        counts: For each scale, coarse to fine, a square of numbers.
    """

    title: str
    counts: Sequence[Sequence[Sequence[int]]]


def draw_distinct(rows: Sequence[DistinctRow], images: int, title: str) -> Figure:
    """A row of heatmaps for each set, darker where there are more codes; all on one scale of colours.

    Args:
        rows: Sets, of the same scales.
        images: Images that were counted, the most codes that a position can have.
        title: Above all, e.g. the class.

    Raises:
        ValueError: If there is no set, scales differ, or a count is none of 1 to `images`.
    """
    sides = [[len(counts) for counts in row.counts] for row in rows]
    found = [np.array(counts) for row in rows for counts in row.counts]
    if not found or any(row != sides[0] for row in sides) or any(one.shape != (len(one),) * 2 for one in found):
        raise ValueError(
            f"draw_distinct: maps with the sides {sides} received; expected at least one set, square maps, and the "
            "same scales in every set."
        )
    least, most = min(int(one.min()) for one in found), max(int(one.max()) for one in found)
    if least < 1 or most > images:
        raise ValueError(f"draw_distinct: counts from {least} to {most} received; expected 1 to images={images}.")
    norm, colours = Normalize(1, max(images, 2)), mpl.colormaps[f"{SEQUENTIAL}_r"]
    # One pair of axes for all maps: laying out a pair for each takes seconds.
    with new_figure(2.1 + _INCHES * _ACROSS * len(sides[0]), 0.75 + _INCHES * _DOWN * len(rows)) as figure:
        axes = figure.subplots()
        for down, row in enumerate(rows):
            for across, counts in enumerate(row.counts):
                edges = np.linspace(0, 1, len(counts) + 1)
                corner = (_ACROSS * across, _DOWN * down)
                axes.pcolormesh(
                    corner[0] + edges, corner[1] + edges, np.array(counts), norm=norm, cmap=colours, antialiased=False
                )
                mean = f"{np.mean(counts):.1f}"
                axes.text(corner[0] + 1, corner[1] - 0.04, mean, ha="right", va="bottom", fontsize=8)
        axes.set_aspect("equal")
        axes.set_xlim(0, _ACROSS * len(sides[0]) - _ACROSS + 1)
        axes.set_ylim(_DOWN * len(rows) - _DOWN + 1, -0.25)
        middles = [_ACROSS * across + 0.5 for across in range(len(sides[0]))]
        axes.set_xticks(middles, [f"{side}×{side}" for side in sides[0]], fontsize=8)
        titles = [wrapped(row.title, 16) for row in rows]
        axes.set_yticks([_DOWN * down + 0.5 for down in range(len(rows))], titles, fontsize=8)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        mapped = ScalarMappable(norm, colours.resampled(_COLOURS_OF_BAR))
        bar = figure.colorbar(
            mapped, ax=axes, label="different codes", fraction=0.03, aspect=10 + 4 * len(rows), pad=0.02
        )
        bar.ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        bar.outline.set_visible(False)
        axes.set_title(wrapped(title, 80), loc="left", pad=8)
    return figure
