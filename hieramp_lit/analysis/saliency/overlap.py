"""How well a class token's attention finds an object whose mask is known.

The map is laid over the mask at the mask's resolution: a pixel has the value of the position that its centre lies in.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hieramp_lit.analysis.saliency.grids import Map, square_side, sums

Mask = NDArray[np.bool_]
"""Pixels of an object, bool, shape ``(H, W)``, at least one."""


class Overlap(NamedTuple):
    """How well one map finds an object.

    Attributes:
        iou: See `best_iou`.
        threshold: That of the highest IoU.
        hit: See `pointing_game`, ties `any`.
        chance: Share of positions that touch the object: how often a random one would win the pointing game.
    """

    iou: float
    threshold: float
    hit: bool
    chance: float


def overlap(map_hw: Map, mask_HW: Mask) -> Overlap:
    """IoU, pointing game and its chance, from one look at the mask.

    Args:
        map_hw: A map on its own grid.
        mask_HW: The object, at a resolution of at least the map's.

    Raises:
        ValueError: If the mask is empty or coarser than the map, or the map is none.
    """
    inside, pixels = _per_position(map_hw, mask_HW)
    return Overlap(*_best(map_hw, inside, pixels), _points(map_hw, inside, pixels, "any"), float((inside > 0).mean()))


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
    return _best(map_hw, *_per_position(map_hw, mask_HW))


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
    return _points(map_hw, *_per_position(map_hw, mask_HW), ties)


def _per_position(map_hw: Map, mask_HW: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels of the object, and all pixels, that each position covers."""
    if mask_HW.ndim != 2 or not mask_HW.any():
        raise ValueError(f"a mask of shape {mask_HW.shape} marks no pixel: expected an object of at least one, (H, W)")
    side = square_side(map_hw)
    return sums(mask_HW, side).reshape(-1), sums(np.ones_like(mask_HW), side).reshape(-1)


def _best(map_hw: Map, inside: NDArray[np.int64], pixels: NDArray[np.int64]) -> tuple[float, float]:
    values = map_hw.reshape(-1)
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    last = np.append(ranked[1:] != ranked[:-1], True)  # the whole of equal values enters at once
    intersection, region = (np.cumsum(count[order])[last] for count in (inside, pixels))
    iou = intersection / (region + inside.sum() - intersection)
    best = int(np.argmax(iou))
    return float(iou[best]), float(ranked[last][best])


def _points(map_hw: Map, inside: NDArray[np.int64], pixels: NDArray[np.int64], ties: Literal["any", "all"]) -> bool:
    highest = map_hw.reshape(-1) == map_hw.max()
    hits = inside[highest].sum()
    return bool(hits > 0 if ties == "any" else hits == pixels[highest].sum())
