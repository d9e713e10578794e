"""How well a class token's attention finds an object whose mask is known.

The map is laid over the mask at the mask's resolution: a pixel has the value of the position that its centre lies in.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hieramp_lit.analysis.saliency.grids import Map, pixels_per_position, square_side, sums

Mask = NDArray[np.bool_]
"""Pixels of an object, bool, shape ``(H, W)``, at least one."""


class Overlap(NamedTuple):
    """How well one map finds an object.

    Attributes:
        iou: Highest intersection over union, in (0, 1].
        threshold: That of the highest IoU; of several the highest.
        hit: Whether the position of the highest value touches the object; of equal positions, whether one does.
        chance: Share of positions that touch the object: how often a random one would win the pointing game.
    """

    iou: float
    threshold: float
    hit: bool
    chance: float


def overlap(map_hw: Map, mask_HW: Mask) -> Overlap:
    """Best intersection over union, and the pointing game (Zhang et al. 2016, arXiv:1608.00507).

    IoU is that of the mask and the pixels whose value is a threshold or more. All distinct values of the map are tried,
    so no threshold has a higher one. The lowest takes in the whole image: IoU is never below the mask's share of it.

    Args:
        map_hw: A map on its own grid.
        mask_HW: The object, at a resolution of at least the map's.

    Raises:
        ValueError: If the mask is empty or coarser than the map, or the map is none.
    """
    if mask_HW.ndim != 2 or not mask_HW.any():
        raise ValueError(f"a mask of shape {mask_HW.shape} marks no pixel: expected an object of at least one, (H, W)")
    side = square_side(map_hw)
    inside = sums(mask_HW, side).reshape(-1)
    values, pixels = map_hw.reshape(-1), pixels_per_position(side, *mask_HW.shape).reshape(-1)
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    last = np.append(ranked[1:] != ranked[:-1], True)  # the whole of equal values enters at once
    intersection, region = (np.cumsum(count[order])[last] for count in (inside, pixels))
    iou = intersection / (region + inside.sum() - intersection)
    best = int(np.argmax(iou))
    hit = bool(inside[values == ranked[0]].any())
    return Overlap(float(iou[best]), float(ranked[last][best]), hit, float((inside > 0).mean()))
