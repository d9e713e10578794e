"""A schedule over the scales: how strongly each scale is amplified, and how much of it."""

from collections.abc import Sequence
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hieramp_lit.figures.labels import plain
from hieramp_lit.figures.style import STAGE_COLOURS, new_figure


def draw_schedule(
    beta: Sequence[float | None], rho: Sequence[float | None], stages: Sequence[str], sides: Sequence[int]
) -> Figure:
    """β and ρ over the scales, from coarse to fine (HIERAMP, Sec. 3.4), each value printed at its bar.

    Args:
        beta: Strength of each scale; None where it is left alone.
        rho: Share of salient positions of each scale, in [0, 1]; None where it is left alone.
        stages: Stage of each scale: ``none``, ``coarse``, ``mid`` or ``fine``.
        sides: Side of each scale's token map, in tokens.

    Raises:
        ValueError: If the four differ in length, or a stage is unknown.
    """
    lengths = {len(beta), len(rho), len(stages), len(sides)}
    if len(lengths) != 1 or not sides:
        raise ValueError(
            f"draw_schedule: {len(beta)} β, {len(rho)} ρ, {len(stages)} stages and {len(sides)} sides; "
            "expected one of each for every scale."
        )
    if unknown := sorted(set(stages) - set(STAGE_COLOURS)):
        raise ValueError(f"draw_schedule: stages {unknown}; expected {list(STAGE_COLOURS)}.")
    with new_figure(max(4.4, 0.47 * len(sides) + 0.5), 3.3) as figure:
        top, bottom = figure.subplots(2, sharex=True)
        _draw_values(top, beta, stages, "β, strength")
        _draw_values(bottom, rho, stages, "ρ, share")
        bottom.set_ylim(0, 1.25)
        bottom.set_yticks([0, 0.5, 1])
        bottom.set_xticks(
            range(len(sides)), [f"{scale}\n{side}×{side}" for scale, side in enumerate(sides)], fontsize=8
        )
        bottom.set_xlabel("scale, and its tokens")
        _name_stages(top, stages)
    return figure


def _draw_values(axes: Axes, values: Sequence[float | None], stages: Sequence[str], ylabel: str) -> None:
    heights = [value or 0.0 for value in values]
    axes.bar(range(len(values)), heights, width=0.72, color=[STAGE_COLOURS[stage] for stage in stages])
    for scale, value in enumerate(values):
        axes.annotate(
            "–" if value is None else plain(value),
            (scale, max(heights[scale], 0)),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8,
        )
    axes.margins(y=0.25)
    axes.set_ylabel(ylabel)
    axes.tick_params(axis="x", length=0)


def _name_stages(axes: Axes, stages: Sequence[str]) -> None:
    """A line in the stage's colour above its scales, and the stage's name on it."""
    for stage, scales in groupby(range(len(stages)), key=lambda scale: stages[scale]):
        run = list(scales)
        axes.plot(
            [run[0] - 0.36, run[-1] + 0.36],
            [1.06, 1.06],
            transform=axes.get_xaxis_transform(),
            color=STAGE_COLOURS[stage],
            linewidth=2.5,
            solid_capstyle="butt",
            clip_on=False,
        )
        axes.annotate(
            stage,
            ((run[0] + run[-1]) / 2, 1.06),
            xycoords=axes.get_xaxis_transform(),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            annotation_clip=False,
        )
