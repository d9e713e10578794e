"""Bars with error bars: accuracies side by side."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hieramp_lit.figures.labels import decimals_for, plain, wrapped
from hieramp_lit.figures.style import COLOURS, new_figure

BarKind = Literal["ours", "real", "paper", "other"]
_KINDS: dict[str, tuple[str, str]] = {
    "ours": (COLOURS[0], "measured here"),
    "real": (COLOURS[2], "real images"),
    "paper": (COLOURS[4], "paper"),
    "other": (COLOURS[7], "other"),
}


class Bar(NamedTuple):
    """One bar.

    Attributes:
        label: What was measured.
        mean: Length.
        std: Half the length of the error bar; None for none, e.g. of a single seed.
        kind: Whose number it is; decides the colour, and is named in the legend where there are several.
    """

    label: str
    mean: float
    std: float | None = None
    kind: BarKind = "ours"


def printed(bar: Bar, decimals: int) -> str:
    """What is printed at a bar: ``63.2 ± 0.4``."""
    return plain(bar.mean, decimals) + ("" if bar.std is None else f" ± {plain(bar.std, decimals)}")


def draw_bars(bars: Sequence[Bar], xlabel: str) -> Figure:
    """Horizontal bars from top to bottom, each value printed at its end.

    Args:
        bars: At least one.
        xlabel: What they measure, with its unit, and what the error bars are over.

    Raises:
        ValueError: If there are none.
    """
    if not bars:
        raise ValueError("draw_bars: no bars; expected at least one.")
    labels = [wrapped(bar.label, 30) for bar in bars]
    kinds = [kind for kind in _KINDS if any(bar.kind == kind for bar in bars)]
    lines = sum(max(1.25, label.count("\n") + 1) for label in labels)
    with new_figure(4.8, 0.75 + 0.18 * lines + (0.25 if len(kinds) > 1 else 0)) as figure:
        axes = figure.subplots()
        places = range(len(bars))
        axes.barh(places, [bar.mean for bar in bars], height=0.62, color=[_KINDS[bar.kind][0] for bar in bars])
        decimals = decimals_for([number for bar in bars for number in (bar.mean, bar.std)])
        for place, bar in enumerate(bars):
            if bar.std is not None:
                axes.errorbar(bar.mean, place, xerr=bar.std, color=axes.xaxis.label.get_color(), capsize=2.5, lw=1)
            axes.annotate(
                printed(bar, decimals),
                (max(bar.mean + (bar.std or 0), 0), place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                annotation_clip=False,
            )
        axes.set_yticks(places, labels)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xlabel(xlabel)
        axes.grid(axis="x")
        if len(kinds) > 1:
            handles = [Patch(color=_KINDS[kind][0], label=_KINDS[kind][1]) for kind in kinds]
            figure.legend(handles=handles, loc="outside upper left", ncols=len(kinds), handlelength=1, fontsize=8.5)
    return figure
