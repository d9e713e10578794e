"""What each scale's class token knows of an image: accuracy from coarse to fine."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from hieramp_lit.figures.style import COLOURS, new_figure


class ScaleAccuracy(NamedTuple):
    """Shares of images whose class the class token of one scale names; each in [0, 1].

    Attributes:
        side: Side of the scale's token map.
        unconditional: Under the unconditional label row: what the class token sees in the image.
        labelled: Under the true label, which reaches every block as condition.
    """

    side: int
    unconditional: float
    labelled: float


def draw_class_token_accuracy(scales: Sequence[ScaleAccuracy], chance: float) -> Figure:
    """Draw accuracy over the scales, coarse to fine; the values under the unconditional row are printed.

    Args:
        scales: One a scale with a class token.
        chance: Share that guessing names, in [0, 1].
    """
    places = range(len(scales))
    with new_figure(max(4.0, 1.2 + 0.55 * len(scales)), 3.2) as figure:
        axes = figure.add_subplot()
        axes.plot(
            places, [one.labelled for one in scales], color=COLOURS[7], marker="s", markersize=3, label="true label"
        )
        axes.plot(
            places, [one.unconditional for one in scales], color=COLOURS[0], marker="o", label="unconditional row"
        )
        for place, one in enumerate(scales):
            below = one.unconditional > 0.9  # there the line of the true label is above
            axes.annotate(
                f"{100 * one.unconditional:.0f}",
                (place, one.unconditional),
                (0, -7 if below else 7),
                textcoords="offset points",
                ha="center",
                va="top" if below else "bottom",
            )
        axes.axhline(chance, color=COLOURS[1], linestyle="--", linewidth=1, label=f"chance, {100 * chance:.1f} %")
        axes.set_xticks(places, [f"{one.side}×{one.side}" for one in scales])
        axes.set_ylim(0, 1.05)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel("scale, by the side of its token map")
        axes.set_ylabel("class token names the class")
        axes.legend(loc="best")
    return figure
