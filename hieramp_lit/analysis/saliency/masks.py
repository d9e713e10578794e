"""Where the objects of a set's images are, as far as it is known."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hieramp_lit.analysis.saliency.overlap import Mask
from hieramp_lit.shards.decode import decode_image
from hieramp_lit.shards.format import parse_key

_EXAMPLE = "r00051_00003.png"


class MaskFolder:
    """Masks that somebody drew: PNG files named by the key of their image, pixels other than black are the object.

    Args:
        folder: Holds them, or sub-folders that do (as those of classes that `hieramp export` writes).
        key: Name of the argument, for messages.

    Attributes:
        folder: As given.
        key: As given.
        keys: Of the images that have a mask.

    Raises:
        ValueError: If it is no folder, has no mask, or two of one image.
    """

    def __init__(self, folder: Path, key: str = "--masks") -> None:
        if not folder.is_dir():
            raise ValueError(f"{key} {folder}: no such folder. Give one of PNG files named by image, {_EXAMPLE}.")
        self.folder = folder
        self.key = key
        self._files: dict[str, Path] = {}
        for path in sorted(folder.rglob("*.png")):
            try:
                parse_key(path.stem)
            except ValueError as error:
                raise ValueError(f"{key} {path}: a mask has the name of its image, such as {_EXAMPLE}.") from error
            if path.stem in self._files:
                raise ValueError(f"{key}: two masks of one image, {self._files[path.stem]} and {path}. Remove one.")
            self._files[path.stem] = path
        if not self._files:
            raise ValueError(f"{key} {folder} holds no PNG file. Give masks named by their image, {_EXAMPLE}.")
        self.keys: Collection[str] = self._files.keys()

    def mask(self, key: str, height: int, width: int, side: int) -> Mask | None:
        """The mask of an image; None if it has none. It may mark no pixel.

        Args:
            key: Of the image.
            height: Of the image, in pixels.
            width: Likewise; a mask may be of another size, but not of another shape.
            side: Of the finest map, at most the sides of the mask.

        Raises:
            ValueError: If the file is no PNG, of another aspect ratio than the image, or too small for the map.
        """
        path = self._files.get(key)
        if path is None:
            return None
        try:
            pixels = decode_image(path.read_bytes(), ("png",))
        except ValueError as error:
            raise ValueError(f"{self.key} {path}: {error}. Give a PNG file.") from error
        rows, columns = pixels.shape[:2]
        if rows * width != columns * height:
            raise ValueError(
                f"{self.key} {path}: a mask of {columns} × {rows} pixels for an image of {width} × {height}, so it "
                "would be stretched. Give one of the image's aspect ratio."
            )
        if min(rows, columns) < side:
            raise ValueError(
                f"{self.key} {path}: a mask of {columns} × {rows} pixels cannot show the finest map, of {side} × "
                f"{side} positions. Give a larger one."
            )
        return np.asarray(pixels.any(axis=2))


def bright_mask(image: NDArray[np.uint8], threshold: float = 0.5) -> Mask:
    """The bright pixels of an image as its object: right for strokes on a dark ground, such as digits.

    Args:
        image: RGB pixels, uint8, shape ``(H, W, 3)``.
        threshold: Mean of the channels, in [0, 1], above which a pixel is the object's.
    """
    return np.asarray(image.mean(axis=2) > 255 * threshold)
