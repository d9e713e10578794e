"""Numbers of many maps: entropy, and overlap with masks where these are known; per image, class and scale.

Legend: ``N`` images · ``M`` measures · ``K`` scales.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hieramp_lit.analysis.saliency.entropy import map_entropy, share_of_highest
from hieramp_lit.analysis.saliency.grids import Map
from hieramp_lit.analysis.saliency.overlap import Mask, overlap

OVERLAP = ("iou", "threshold", "pointing", "pointing_chance")
"""Names of what `overlap` answers."""
MEASURES = ("entropy", "entropy_share", *OVERLAP)


class Mean(NamedTuple):
    """A mean over images.

    Attributes:
        mean: The mean; None of none.
        std: Sample standard deviation; None of fewer than two.
        n: Images.
    """

    mean: float | None
    std: float | None
    n: int


class MapMeasures:
    """Measures maps, image by image.

    Args:
        sides: Sides of the scales, from the coarsest.

    Attributes:
        keys: Of the images, as they came.
        classes: cls of each.
        mask_shares: Share of each image that its mask covers; NaN without one.
        unmasked: Keys of the images whose mask is missing.
        empty: Keys of those whose mask marks no pixel.
    """

    def __init__(self, sides: Sequence[int]) -> None:
        self.sides = tuple(sides)
        self.keys: list[str] = []
        self.classes: list[int] = []
        self.mask_shares: list[float] = []
        self.unmasked: list[str] = []
        self.empty: list[str] = []
        self._rows_MK: list[NDArray[np.float64]] = []
        self._stacked_NMK: NDArray[np.float64] | None = None

    def add(self, key: str, cls: int, maps: Sequence[Map | None], mask_HW: Mask | None = None) -> None:
        """Measure one image.

        Args:
            key: Its key.
            cls: Its class.
            maps: For each scale its map on its own grid; None without a class token.
            mask_HW: Its object; None if it is not known.

        Raises:
            ValueError: If the maps are of other scales, none, or finer than the mask.
        """
        if len(maps) != len(self.sides):
            raise ValueError(f"{key}: {len(maps)} maps for {len(self.sides)} scales")
        masked = mask_HW is not None and bool(mask_HW.any())
        if not masked:
            (self.unmasked if mask_HW is None else self.empty).append(key)
        self.keys.append(key)
        self.classes.append(cls)
        self.mask_shares.append(float(mask_HW.mean()) if mask_HW is not None and masked else np.nan)
        row_MK = np.full((len(MEASURES), len(maps)), np.nan)
        for k, map_hw in enumerate(maps):
            if map_hw is None:
                continue
            entropy = map_entropy(map_hw)
            share = share_of_highest(entropy, len(map_hw))
            row_MK[: -len(OVERLAP), k] = entropy, np.nan if share is None else share
            if mask_HW is not None and masked:
                row_MK[-len(OVERLAP) :, k] = overlap(map_hw, mask_HW)
        self._rows_MK.append(row_MK)
        self._stacked_NMK = None

    def values(self, name: str) -> NDArray[np.float64]:
        """One of `MEASURES` for each image and scale; NaN where it has none. Shape ``(N, K)``."""
        if self._stacked_NMK is None:
            self._stacked_NMK = np.array(self._rows_MK).reshape(len(self.keys), len(MEASURES), len(self.sides))
        return self._stacked_NMK[:, MEASURES.index(name)]

    def scale_means(self) -> dict[str, list[Mean]]:
        """Each measure but the threshold per scale, over all images that have it."""
        return {name: means(self.values(name)) for name in MEASURES if name != "threshold"}

    def class_means(self) -> dict[int, dict[str, list[Mean]]]:
        """The same over the images of each class, by its cls, ascending."""
        classes = np.array(self.classes)
        measured = {name: self.values(name) for name in MEASURES if name != "threshold"}
        return {
            cls: {name: means(values_NK[classes == cls]) for name, values_NK in measured.items()}
            for cls in sorted(set(self.classes))
        }


def means(values_NK: NDArray[np.float64]) -> list[Mean]:
    """Mean and sample standard deviation per scale, over the values that are not NaN."""
    result = []
    for column in values_NK.T:
        known = column[~np.isnan(column)]
        mean = float(known.mean()) if len(known) else None
        result.append(Mean(mean, float(known.std(ddof=1)) if len(known) > 1 else None, len(known)))
    return result


def paired_differences(ours: MapMeasures, other: MapMeasures, name: str) -> list[Mean]:
    """Our value minus the other's per scale, over the images (by key) that both have.

    Args:
        ours: Measures of one set.
        other: Of another, with the same scales.
        name: One of `MEASURES`.

    Raises:
        ValueError: If the scales differ.
    """
    if ours.sides != other.sides:
        raise ValueError(f"scales of sides {list(ours.sides)} and {list(other.sides)} cannot be compared one by one")
    place = {key: row for row, key in enumerate(other.keys)}
    pairs = [(row, place[key]) for row, key in enumerate(ours.keys) if key in place]
    mine, theirs = ours.values(name)[[row for row, _ in pairs]], other.values(name)[[row for _, row in pairs]]
    return means(mine - theirs)
