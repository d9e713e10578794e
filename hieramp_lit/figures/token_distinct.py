"""Heatmaps of different codes at each position of each scale, the mean in the corner (HIERAMP, Fig. 4)."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from hieramp_lit.figures.labels import wrapped
from hieramp_lit.figures.style import SEQUENTIAL, new_figure

_CELL, _ROW = 0.72, 0.98
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
    norm = Normalize(1, max(images, 2))
    colours = mpl.colormaps[f"{SEQUENTIAL}_r"]
    with new_figure(max(4.2, 1.3 + _CELL * len(sides[0])), _ROW * len(rows) + 0.95) as figure:
        grid = figure.subplots(len(rows), len(sides[0]), squeeze=False)
        for line, row in zip(grid, rows, strict=True):
            for axes, counts in zip(line, row.counts, strict=True):
                edge = np.arange(len(counts) + 1)
                axes.pcolormesh(edge, edge, np.array(counts), norm=norm, cmap=colours, antialiased=False)
                axes.invert_yaxis()
                axes.set_aspect("equal")
                axes.set_xticks([])
                axes.set_yticks([])
                axes.spines[:].set_visible(False)
                axes.set_title(f"{np.mean(counts):.1f}", loc="right", fontsize=8, pad=2)
            line[0].set_ylabel(wrapped(row.title, 16), rotation=0, ha="right", va="center", fontsize=8)
        for axes, side in zip(grid[-1], sides[0], strict=True):
            axes.set_xlabel(f"{side}×{side}", fontsize=8)
        bar = figure.colorbar(
            ScalarMappable(norm, colours.resampled(_COLOURS_OF_BAR)),
            ax=grid,
            label="different codes",
            fraction=0.03,
            aspect=20,
        )
        bar.outline.set_visible(False)
        figure.suptitle(wrapped(title, 80), fontsize=9.5)
    return figure
