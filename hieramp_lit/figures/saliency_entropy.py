"""Entropy of class-token maps over the scales, of one set or several."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from hieramp_lit.figures.labels import legend_label, one_line
from hieramp_lit.figures.style import COLOURS, new_figure

_MARKERS = "os^Dv"
_TITLE = 36


class EntropyLine(NamedTuple):
    """Entropy per scale of one set's maps, as share of the highest possible.

    Attributes:
        means: Over images, in [0, 1], one for each scale; None where the scale has no class token, or one position.
        stds: Sample standard deviation over images; None where there is one image at most.
        images: How many they are over, for the legend; None where that is told elsewhere.
    """

    means: Sequence[float | None]
    stds: Sequence[float | None]
    images: int | None = None


def draw_saliency_entropy(lines: Mapping[str, EntropyLine], sides: Sequence[int]) -> Figure:
    """A line a set, with ± one standard deviation over images as bars; sets stand a little apart at each scale.

    Args:
        lines: Of each set by its title.
        sides: Side of each scale's token map, for the labels of the scales.

    Raises:
        ValueError: If there is no line, or one of another number of scales.
    """
    if not lines or any(len(line.means) != len(sides) or len(line.stds) != len(sides) for line in lines.values()):
        raise ValueError(f"{[len(line.means) for line in lines.values()]} values for {len(sides)} scales.")
    with new_figure(6.4, 3.4) as figure:
        axes = figure.subplots()
        for place, (title, line) in enumerate(lines.items()):
            name = legend_label(one_line(title, _TITLE))
            shown = [(k, mean, line.stds[k]) for k, mean in enumerate(line.means) if mean is not None]
            axes.errorbar(
                [k + 0.12 * (place - (len(lines) - 1) / 2) for k, _, _ in shown],
                [100 * mean for _, mean, _ in shown],
                [100 * (std or 0.0) for _, _, std in shown],
                color=COLOURS[place % len(COLOURS)],
                marker=_MARKERS[place % len(_MARKERS)],
                markersize=4,
                linewidth=1.4,
                capsize=2,
                label=name if line.images is None else f"{name} (n = {line.images})",
            )
        axes.set_xticks(range(len(sides)), [f"{k}\n{side} × {side}" for k, side in enumerate(sides)])
        axes.set_xlabel("scale and its token map")
        axes.set_ylabel("entropy of the map, % of ln(side²)")
        axes.set_xlim(-0.5, len(sides) - 0.5)
        axes.legend(title="mean ± standard deviation over images", title_fontsize="small", fontsize="small")
    return figure
