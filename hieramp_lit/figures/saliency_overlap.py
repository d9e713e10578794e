"""How well class-token maps find the object over the scales, of one set or several."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from hieramp_lit.figures.labels import legend_label, one_line
from hieramp_lit.figures.style import COLOURS, new_figure

_MARKERS = "os^Dv"
_TITLE = 36


class OverlapLine(NamedTuple):
    """Means over the images of one set whose mask is known, one for each scale; None without class token.

    Attributes:
        iou: Best intersection over union, in [0, 1].
        pointing: Share of images whose highest position touches the object.
        pointing_chance: Share of positions that do.
        mask_share: Share of an image that is the object, which is the IoU of the whole image, and the least there is.
        images: How many the means are over.
    """

    iou: Sequence[float | None]
    pointing: Sequence[float | None]
    pointing_chance: Sequence[float | None]
    mask_share: float
    images: int


def draw_saliency_overlap(lines: Mapping[str, OverlapLine], sides: Sequence[int]) -> Figure:
    """IoU beside the pointing game, a line a set; dashed what the whole image and a random position reach.

    Args:
        lines: Of each set by its title.
        sides: Side of each scale's token map, for the labels of the scales.

    Raises:
        ValueError: If there is no line, or one of another number of scales.
    """
    if not lines or any(len(line.iou) != len(sides) for line in lines.values()):
        raise ValueError(f"{[len(line.iou) for line in lines.values()]} values for {len(sides)} scales.")
    with new_figure(7.6, 3.4 + 0.17 * len(lines)) as figure:
        left, right = figure.subplots(1, 2)
        for place, (title, line) in enumerate(lines.items()):
            colour, marker = COLOURS[place % len(COLOURS)], _MARKERS[place % len(_MARKERS)]
            label = f"{legend_label(one_line(title, _TITLE))} (n = {line.images})"
            scales = [k for k, value in enumerate(line.iou) if value is not None]
            for axes, values, chance in (
                (left, line.iou, [line.mask_share] * len(sides)),
                (right, line.pointing, line.pointing_chance),
            ):
                shown = [[100 * (one[k] or 0.0) for k in scales] for one in (values, chance)]
                axes.plot(scales, shown[0], color=colour, marker=marker, markersize=4, linewidth=1.4, label=label)
                axes.plot(scales, shown[1], color=colour, linestyle="--", linewidth=1.0)
        left.set_ylabel("IoU at the best threshold, %")
        right.set_ylabel("highest position on the object, %")
        for axes in (left, right):
            axes.set_xticks(range(len(sides)), [f"{k}\n{side}²" for k, side in enumerate(sides)])
            axes.set_xlim(-0.5, len(sides) - 0.5)
            axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
            axes.set_xlabel("scale and its positions")
        handles, labels = left.get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="outside lower left",
            title="dashed: left the whole image, right a random position",
            title_fontsize="small",
            fontsize="small",
            alignment="left",
        )
    return figure
