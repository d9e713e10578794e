"""Parallel coordinates: every trial a line through its settings to its result."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from hieramp_lit.figures.labels import one_line, wrapped
from hieramp_lit.figures.style import ALONG, COLOURS, PAPER, new_figure

NONE_AT = -0.14
"""Height of trials that have no value on an axis, below its lowest."""
_MOST_TICKS = 7


class Axis(NamedTuple):
    """One coordinate.

    Attributes:
        title: Of the setting or result, with its unit.
        values: One for each trial; with a word among them, all are categories; None, or no finite number, where a
            trial has none.
    """

    title: str
    values: Sequence[float | str | None]


class Scale(NamedTuple):
    """How an axis is drawn.

    Attributes:
        heights: Of each trial, in [0, 1]; `NONE_AT` for none.
        ticks: Height and label of each mark on the axis.
    """

    heights: list[float]
    ticks: list[tuple[float, str]]


def scale_of(axis: Axis) -> Scale:
    """Numbers from the lowest (0) to the highest (1), categories at equal distances in order of their first trial."""
    values = [value if isinstance(value, str) else _finite(value) for value in axis.values]
    known = [value for value in values if value is not None]
    if any(isinstance(value, str) for value in known):
        words = list(dict.fromkeys(str(value) for value in known))
        at = {word: _share(place, 0, len(words) - 1) for place, word in enumerate(words)}
        heights = [NONE_AT if value is None else at[str(value)] for value in values]
        ticks = [(height, one_line(word, 14)) for word, height in at.items()]
    else:
        numbers = sorted({float(value) for value in known})
        low, high = (numbers[0], numbers[-1]) if numbers else (0.0, 0.0)
        heights = [NONE_AT if value is None else _share(float(value), low, high) for value in values]
        if len(numbers) > _MOST_TICKS or _crowded(numbers):
            numbers = [low + (high - low) * part / 4 for part in range(5)]
        ticks = [(_share(number, low, high), f"{number:.3g}".replace("-", "−")) for number in numbers]
    return Scale(heights, ticks + ([(NONE_AT, "none")] if NONE_AT in heights else []))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _crowded(numbers: Sequence[float]) -> bool:
    gaps = [second - first for first, second in itertools.pairwise(numbers)]
    return bool(gaps) and min(gaps) < 0.08 * (numbers[-1] - numbers[0])


def _share(value: float, low: float, high: float) -> float:
    return 0.5 if high <= low else (value - low) / (high - low)


def draw_parallel(axes: Sequence[Axis], colour: Sequence[float | None], label: str, best: int | None) -> Figure:
    """One line a trial, coloured by its result.

    Args:
        axes: From left to right, at least two.
        colour: Result of each trial; None, or no finite number, grey and dashed, for one without.
        label: What `colour` is, with its unit; at the colour bar.
        best: Trial that is drawn thickest, on top.

    Raises:
        ValueError: If there are fewer than two axes, no trials, or axes of other lengths than `colour`.
    """
    if len(axes) < 2 or not colour:
        raise ValueError(f"draw_parallel: {len(axes)} axes and {len(colour)} trials; expected two axes, one trial.")
    for axis in axes:
        if len(axis.values) != len(colour):
            raise ValueError(f"draw_parallel: {axis.title} has {len(axis.values)} values for {len(colour)} trials.")
    results = [_finite(value) for value in colour]
    known = [value for value in results if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    equal = low == high  # one value has no scale: it stands in the middle of the bar, alone
    norm = Normalize(low - 0.5, low + 0.5) if equal else Normalize(low, high)
    scales = [scale_of(axis) for axis in axes]
    with new_figure(max(4.8, 1.05 * len(axes) + 0.9), 3.4) as figure:
        plot = figure.subplots()
        lowest_first = [-math.inf if value is None else value for value in results]
        for trial in sorted(range(len(results)), key=lambda trial: (trial == best, lowest_first[trial])):
            value = results[trial]
            plot.plot(
                range(len(axes)),
                [scale.heights[trial] for scale in scales],
                color=COLOURS[7] if value is None else ALONG(norm(value)),
                linestyle="--" if value is None else "-",
                linewidth=4 if trial == best else 1.4,
                alpha=1 if trial == best else 0.8,
                marker="o",
                markersize=6 if trial == best else 3,
                clip_on=False,
            )
        for place, scale in enumerate(scales):
            plot.axvline(place, color=plot.xaxis.label.get_color(), linewidth=0.8, zorder=3)
            for height, text in scale.ticks:
                plot.annotate(
                    text,
                    (place, height),
                    xytext=(5, 0),
                    textcoords="offset points",
                    ha="left",
                    va="center",
                    fontsize=7.5,
                    zorder=4,
                    annotation_clip=False,
                    bbox={"facecolor": PAPER, "alpha": 0.8, "edgecolor": "none", "pad": 1},
                )
        plot.set_xticks(range(len(axes)), [wrapped(axis.title, 13, lines=3) for axis in axes])
        plot.xaxis.set_ticks_position("top")
        plot.tick_params(length=0)
        plot.set_yticks([])
        plot.spines[:].set_visible(False)
        plot.set_ylim(NONE_AT - 0.05 if any(NONE_AT in scale.heights for scale in scales) else -0.04, 1.04)
        plot.margins(x=0.02)
        if known:
            ticks = [low] if equal else None
            bar = figure.colorbar(ScalarMappable(norm, ALONG.resampled(32)), ax=plot, label=label, ticks=ticks)
            bar.outline.set_visible(False)
    return figure
