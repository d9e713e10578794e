"""Curves over steps, several seeds each: the mean, and how far the seeds are apart."""

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from hieramp_lit.figures.labels import decimals_for, legend_label, one_line, plain
from hieramp_lit.figures.style import COLOURS, new_figure

_DASHES = ("-", "--", ":", "-.")


class Curve(NamedTuple):
    """What one seed measured.

    Attributes:
        seed: Of the run.
        steps: Rising.
        values: One for each step.
    """

    seed: int
    steps: Sequence[int]
    values: Sequence[float]


class MeanCurve(NamedTuple):
    """Several seeds together.

    Attributes:
        steps: Those that every seed has measured: elsewhere a mean would be over fewer.
        means: Over the seeds.
        stds: Sample standard deviations over the seeds; None for a single one.
        best: Place of the highest mean, the first of equals.
    """

    steps: list[int]
    means: list[float]
    stds: list[float] | None
    best: int


def mean_curve(curves: Sequence[Curve]) -> MeanCurve:
    """Mean and sample standard deviation over the seeds at each step.

    Raises:
        ValueError: If there are no curves, or they have no step in common.
    """
    measured = [dict(zip(curve.steps, curve.values, strict=True)) for curve in curves]
    steps = sorted(set.intersection(*(set(one) for one in measured))) if measured else []
    if not steps:
        raise ValueError(f"mean_curve: {len(curves)} curves without a step in common; expected at least one.")
    at_step = [[one[step] for one in measured] for step in steps]
    means = [statistics.fmean(values) for values in at_step]
    stds = [statistics.stdev(values) for values in at_step] if len(curves) > 1 else None
    return MeanCurve(steps, means, stds, max(range(len(steps)), key=lambda place: means[place]))


def draw_curves(groups: Mapping[str, Sequence[Curve]], xlabel: str, ylabel: str) -> Figure:
    """Mean lines with bands of ± the sample standard deviation over seeds; last (●) and best (★) mean are marked.

    The legend holds their values: nothing has to be read off the axis.

    Args:
        groups: Curves of each group by its name; at least one.
        xlabel: What steps are.
        ylabel: What values are, with the unit; more is better.

    Raises:
        ValueError: If there is no group, or one has no step that all its seeds have measured.
    """
    if not groups:
        raise ValueError("draw_curves: no groups of curves; expected at least one.")
    with new_figure(4.8, 3.0 + 0.17 * len(groups)) as figure:
        axes = figure.subplots()
        means = {name: mean_curve(curves) for name, curves in groups.items()}
        decimals = decimals_for([value for mean in means.values() for value in mean.means])
        for place, (name, mean) in enumerate(means.items()):
            colour = COLOURS[place % len(COLOURS)]
            last, best = plain(mean.means[-1], decimals), plain(mean.means[mean.best], decimals)
            seeds = len(groups[name])
            axes.plot(
                mean.steps,
                mean.means,
                color=colour,
                linestyle=_DASHES[place // len(COLOURS) % len(_DASHES)],
                linewidth=1.6,
                label=legend_label(
                    f"{one_line(name, 36)}: ● {last}, ★ {best} ({seeds} seed{'s' if seeds != 1 else ''})"
                ),
            )
            if mean.stds is not None:
                low = [value - std for value, std in zip(mean.means, mean.stds, strict=True)]
                high = [value + std for value, std in zip(mean.means, mean.stds, strict=True)]
                axes.fill_between(mean.steps, low, high, color=colour, alpha=0.2, linewidth=0)
            axes.plot(mean.steps[-1:], mean.means[-1:], "o", color=colour, markersize=5)
            axes.plot([mean.steps[mean.best]], [mean.means[mean.best]], "*", color=colour, markersize=10)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        axes.grid(axis="y")
        figure.legend(loc="outside lower left", fontsize=8.5)
    return figure
