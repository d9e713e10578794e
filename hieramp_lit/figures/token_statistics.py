"""Use of the codebook over the scales: entropy and coverage of whole sets and of their classes (HIERAMP, Sec. 5.1)."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hieramp_lit.figures.labels import legend_label, one_line
from hieramp_lit.figures.style import COLOURS, STAGE_COLOURS, new_figure

_MARKERS = "osD^vP*X"


class TokenCurve(NamedTuple):
    """One set; a value a scale in each.

    Attributes:
        label: What it is called.
        entropy: Of the whole set, in nats.
        coverage: Of the whole set, in [0, 1].
        class_entropy: Mean over the classes.
        class_entropy_std: Their standard deviation.
        class_coverage: Mean over the classes.
        class_coverage_std: Their standard deviation.
    """

    label: str
    entropy: Sequence[float]
    coverage: Sequence[float]
    class_entropy: Sequence[float]
    class_entropy_std: Sequence[float]
    class_coverage: Sequence[float]
    class_coverage_std: Sequence[float]


def draw_token_statistics(sides: Sequence[int], stages: Sequence[str], curves: Sequence[TokenCurve]) -> Figure:
    """Entropy (left) and coverage in % (right) over the scales, of whole sets (top) and of a class (bottom).

    A class' are means over the classes, with bands of ± one standard deviation.

    Args:
        sides: Side of each token map.
        stages: Stage of each scale.
        curves: One for each set.

    Raises:
        ValueError: If there is no curve, or one has another number of scales.
    """
    _check(sides, stages, curves)
    with new_figure(6.6, 4.6 + 0.18 * len(curves)) as figure:
        grid = figure.subplots(2, 2, sharex=True)
        panels: tuple[tuple[str, float, list[tuple[Sequence[float], Sequence[float] | None]]], ...] = (
            ("entropy of the set, nats", 1.0, [(one.entropy, None) for one in curves]),
            ("coverage of the set, %", 100.0, [(one.coverage, None) for one in curves]),
            ("entropy of a class, nats", 1.0, [(one.class_entropy, one.class_entropy_std) for one in curves]),
            ("coverage of a class, %", 100.0, [(one.class_coverage, one.class_coverage_std) for one in curves]),
        )
        for axes, (title, factor, values) in zip(grid.flat, panels, strict=True):
            axes.set_title(title, loc="left", pad=14)
            _shade(axes, stages)
            for number, (means, stds) in enumerate(values):
                _draw(
                    axes,
                    number,
                    [factor * mean for mean in means],
                    None if stds is None else [factor * s for s in stds],
                )
            axes.set_ylim(bottom=0)
            axes.set_xticks(range(len(sides)), [str(side) for side in sides])
            axes.margins(x=0.02)
        for axes in grid[1]:
            axes.set_xlabel("side of the token map")
        names = [legend_label(one_line(one.label, 60)) for one in curves]
        figure.legend(grid[0, 0].get_lines(), names, loc="outside lower left", ncols=1)
    return figure


def _check(sides: Sequence[int], stages: Sequence[str], curves: Sequence[TokenCurve]) -> None:
    lengths = {len(values) for one in curves for values in one[1:]}
    if not curves or lengths != {len(sides)} or len(stages) != len(sides):
        raise ValueError(
            f"draw_token_statistics: {len(curves)} curves of {sorted(lengths)} values and {len(stages)} stages "
            f"received for {len(sides)} scales; expected at least one curve, and a value and a stage a scale."
        )


def _draw(axes: Axes, number: int, means: Sequence[float], stds: Sequence[float] | None) -> None:
    colour = COLOURS[number % len(COLOURS)]
    places = range(len(means))
    axes.plot(places, means, color=colour, marker=_MARKERS[number % len(_MARKERS)], markersize=4)
    if stds is not None:
        low, high = ([mean + sign * std for mean, std in zip(means, stds, strict=True)] for sign in (-1, 1))
        axes.fill_between(places, low, high, color=colour, alpha=0.18, linewidth=0)


def _shade(axes: Axes, stages: Sequence[str]) -> None:
    for stage, of_stage in groupby(range(len(stages)), key=lambda scale: stages[scale]):
        members = list(of_stage)
        if stage not in STAGE_COLOURS or stage == "none":
            continue
        axes.axvspan(members[0] - 0.5, members[-1] + 0.5, color=STAGE_COLOURS[stage], alpha=0.07, linewidth=0)
        axes.text(
            (members[0] + members[-1]) / 2,
            1.01,
            stage,
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=8,
        )
