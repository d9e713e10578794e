"""Maps of class tokens on the grids that they were computed on, and on those of images."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

Map = NDArray[np.float64]
"""Attention of one class token to the positions of its scale, shape ``(side, side)``, not negative."""


def own_grids(stored_KPP: NDArray[np.float16], patch_nums: Sequence[int]) -> tuple[Map | None, ...]:
    """Take back the enlargement of `shards.saliency.stack_saliency`, exactly.

    Args:
        stored_KPP: Maps as stored with a sample, K scales from the coarsest, NaN where a scale has no class token.
        patch_nums: Side of each scale's token map, at least K of them.

    Returns:
        One map for each of `patch_nums`, on its own grid, scaled to sum to 1; None where there is no class token.

    Raises:
        ValueError: If the maps are not those of such scales, or no attention.
    """
    K, P = stored_KPP.shape[0], stored_KPP.shape[-1]
    if stored_KPP.ndim != 3 or stored_KPP.shape[1] != P or not 0 < K <= len(patch_nums) or patch_nums[K - 1] != P:
        raise ValueError(f"maps of shape {stored_KPP.shape} are not of scales of sides {list(patch_nums)}")
    unknown_KPP = np.isnan(stored_KPP)
    grids = [None if unknown_KPP[k].all() else _own_grid(stored_KPP[k], patch_nums[k], k) for k in range(K)]
    return (*grids, *[None] * (len(patch_nums) - K))


def cells(side: int, height: int, width: int) -> NDArray[np.int64]:
    """Position of a map, in raster order, that each pixel of an image lies in: the one that holds its centre.

    Args:
        side: Of the map.
        height: Of the image in pixels, at least `side`.
        width: Likewise.

    Returns:
        int64 in ``0 … side² − 1``, shape ``(height, width)``.

    Raises:
        ValueError: If the image is smaller than the map: some position would have no pixel.
    """
    rows, columns = (_along(side, length) for length in (height, width))
    return rows[:, None] * side + columns[None, :]


def sums(pixels_HW: NDArray[np.bool_], side: int) -> NDArray[np.int64]:
    """How many marked pixels lie in each position of a map, as `cells` has it.

    Args:
        pixels_HW: Marks, shape ``(height, width)``.
        side: Of the map.

    Returns:
        int64, shape ``(side, side)``.

    Raises:
        ValueError: If the image is smaller than the map.
    """
    first_row, first_column = (_first(side, length) for length in pixels_HW.shape)
    counts = np.add.reduceat(pixels_HW, first_column, axis=1, dtype=np.int64)
    return np.add.reduceat(counts, first_row, axis=0)


@lru_cache(maxsize=256)
def pixels_per_position(side: int, height: int, width: int) -> NDArray[np.int64]:
    """How many pixels of an image lie in each position of a map. Arguments, answer and errors as of `cells`, `sums`."""
    return sums(np.ones((height, width), bool), side)


def enlarged(map_hw: Map, height: int, width: int) -> Map:
    """A map at the size of an image; every pixel has the value of the position that its centre lies in.

    Args:
        map_hw: Shape ``(side, side)``.
        height: Of the image in pixels, at least the side.
        width: Likewise.

    Raises:
        ValueError: If the map is not square, or the image is smaller.
    """
    return map_hw.reshape(-1)[cells(square_side(map_hw), height, width)]


def square_side(map_hw: Map) -> int:
    """Side of a map.

    Raises:
        ValueError: If it is not square, or has values below 0, none above, or NaN.
    """
    if map_hw.ndim != 2 or map_hw.shape[0] != map_hw.shape[1] or not map_hw.size:
        raise ValueError(f"a map of shape {map_hw.shape}: expected (side, side)")
    if not (map_hw.min() >= 0 and 0 < map_hw.max() < np.inf):  # NaN is neither
        raise ValueError(
            f"a map of side {len(map_hw)} is no attention: expected finite values, none negative, not all 0"
        )
    return len(map_hw)


@lru_cache(maxsize=256)
def _along(side: int, length: int) -> NDArray[np.int64]:
    """Position that the centre of each of some pixels in a line lies in."""
    if length < side:
        raise ValueError(f"{length} pixels in a line cannot show a map of side {side}: give a larger image or mask")
    return (2 * np.arange(length) + 1) * side // (2 * length)


@lru_cache(maxsize=256)
def _first(side: int, length: int) -> NDArray[np.int64]:
    """The first pixel in a line of each position."""
    return np.searchsorted(_along(side, length), np.arange(side))


@lru_cache(maxsize=256)
def _enlargement(side: int, P: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """In raster order: for each position of a map the first that it is stored at, for each stored one its source."""
    # The enlargement's own arithmetic, on positions instead of values: no rounding can differ.
    source_P = interpolate(torch.arange(float(side))[None, None], size=P, mode="nearest")[0, 0].long().numpy()
    first = np.searchsorted(source_P, np.arange(side))
    return first[:, None] * P + first, source_P[:, None] * side + source_P


def _own_grid(stored_PP: NDArray[np.float16], side: int, scale: int) -> Map:
    P = len(stored_PP)
    if side > P:
        raise ValueError(f"scale {scale} of side {side} is stored at side {P}, below its own")
    first, source = _enlargement(side, P)
    grid = stored_PP.take(first)
    if not (grid.take(source) == stored_PP).all():
        raise ValueError(f"the map of scale {scale} is no {side} × {side} map enlarged to {P} × {P}")
    values: Map = grid.astype(np.float64)
    square_side(values)
    values /= values.sum()
    return values
