"""How well a class token's attention finds an object whose mask is known.

The map is laid over the mask at the mask's resolution: a pixel has the value of the position that its centre lies in.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hieramp_lit.analysis.saliency.grids import Map, cells, square_side

Mask = NDArray[np.bool_]
"""Pixels of an object, bool, shape ``(H, W)``, at least one."""


def best_iou(map_hw: Map, mask_HW: Mask) -> tuple[float, float]:
    """Highest intersection over union of the mask and the pixels whose value is a threshold or more.

    All distinct values of the map are tried, so no threshold has a higher one. The lowest takes in the whole image:
    the result is never below the mask's share of it.

    Args:
        map_hw: A map on its own grid.
        mask_HW: The object, at a resolution of at least the map's.

    Returns:
        IoU in (0, 1], and its threshold; of several the highest threshold.

    Raises:
        ValueError: If the mask is empty or coarser than the map, or the map is none.
    """
    inside, pixels = _per_position(map_hw, mask_HW)
    values = map_hw.reshape(-1)
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    last = np.append(ranked[1:] != ranked[:-1], True)  # the whole of equal values enters at once
    intersection, region = (np.cumsum(count[order])[last] for count in (inside, pixels))
    iou = intersection / (region + inside.sum() - intersection)
    best = int(np.argmax(iou))
    return float(iou[best]), float(ranked[last][best])


def pointing_game(map_hw: Map, mask_HW: Mask, ties: Literal["any", "all"] = "any") -> bool:
    """Whether the position of the highest value lies on the object (Zhang et al. 2016, arXiv:1608.00507).

    Where a position covers many pixels, all of them are the highest. So are those of equal positions.

    Args:
        map_hw: A map on its own grid.
        mask_HW: The object, at a resolution of at least the map's.
        ties: A hit if `any` of the highest pixels is the object's, as for a position that touches it; or `all`.

    Raises:
        ValueError: As for `best_iou`.
    """
    inside, pixels = _per_position(map_hw, mask_HW)
    highest = map_hw.reshape(-1) == map_hw.max()
    hits = inside[highest].sum()
    return bool(hits > 0 if ties == "any" else hits == pixels[highest].sum())


def pointing_chance(side: int, mask_HW: Mask) -> float:
    """Share of positions that touch the object: how often a random one would win the pointing game.

    Args:
        side: Of the map.
        mask_HW: The object, at a resolution of at least the map's.

    Raises:
        ValueError: As for `best_iou`.
    """
    inside, _ = _per_position(np.ones((side, side)), mask_HW)
    return float((inside > 0).mean())


def _per_position(map_hw: Map, mask_HW: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels of the object, and all pixels, that each position covers."""
    if mask_HW.ndim != 2 or not mask_HW.any():
        raise ValueError(f"a mask of shape {mask_HW.shape} marks no pixel: expected an object of at least one, (H, W)")
    side = square_side(map_hw)
    position_HW = cells(side, *mask_HW.shape)
    inside = np.bincount(position_HW[mask_HW], minlength=side * side)
    return inside, np.bincount(position_HW.reshape(-1), minlength=side * side)
