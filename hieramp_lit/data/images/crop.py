"""Resizing the short side and cutting out a square, as VAR trains and as students are evaluated."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from PIL import Image, ImageOps

from hieramp_lit.data.loading import SampleKey
from hieramp_lit.seeds import stream

Filter = Literal["lanczos", "bicubic", "bilinear"]


def var_short_side(image_size: int) -> int:
    """Short side before VAR's crop: ``round(1.125 · image_size)``, 288 for 256 (reference §3)."""
    return round(1.125 * image_size)


def evaluation_short_side(image_size: int) -> int:
    """Short side before the evaluation's crop: ``image_size // 7 · 8``, 256 for 224, at least `image_size`."""
    return max(image_size // 7 * 8, image_size)


@dataclass(frozen=True)
class ResizeCrop:
    """Short side to `short_side` (antialiased), then a square of `image_size`; never mirrored by default.

    Args:
        image_size: Side of the result in pixels.
        short_side: Short side before the crop in pixels, `image_size` or more.
        random: Crop at a place drawn for each sample, else in the centre.
        flip: Mirror every other sample, drawn, left to right.
        seed: Of the draws.
        filter: `lanczos` (VAR's training images), `bicubic`, or `bilinear` (torchvision's default, as classifiers are
            judged).
        padding: Black pixels that are laid around the resized image before a random crop; 4 is usual for classifiers
            of 32×32 images.

    Raises:
        ValueError: If a side is not positive, `short_side` is below `image_size`, or `padding` negative.
    """

    image_size: int
    short_side: int
    random: bool = False
    flip: bool = False
    seed: int = 0
    filter: Filter = "lanczos"
    padding: int = 0

    def __post_init__(self) -> None:
        """Check the sides."""
        if not 1 <= self.image_size <= self.short_side:
            raise ValueError(
                f"data.image_size={self.image_size}, data.short_side={self.short_side}: expected positive sides, the "
                "short side before the crop not below the crop."
            )
        if self.padding < 0 or self.filter not in get_args(Filter):
            raise ValueError(
                f"data.padding={self.padding}, data.filter={self.filter!r}: expected 0 pixels or more, and one of "
                f"{', '.join(get_args(Filter))}."
            )

    def identity(self) -> dict[str, Any]:
        """What decides the crops, as plain values; padding where there is any."""
        return {name: value for name, value in asdict(self).items() if name != "padding" or value}

    def __call__(self, image: Image.Image, key: SampleKey) -> Image.Image:
        """A square RGB image; all that is random is a function of (seed, key)."""
        width, height = image.size
        short = min(width, height)
        # whole pixels, rounded down as torchvision's Resize does
        size = (self.short_side * width // short, self.short_side * height // short)
        resized = image.resize(size, Image.Resampling[self.filter.upper()])
        if self.random and self.padding:
            resized = ImageOps.expand(resized, self.padding)
        spare_right, spare_down = resized.width - self.image_size, resized.height - self.image_size
        mirrored = False
        if self.random or self.flip:
            draws = torch.rand(3, generator=stream("crop", self.seed, *key), dtype=torch.float64).tolist()
            mirrored = self.flip and draws[2] < 0.5
        if self.random:
            left, top = int(draws[0] * (spare_right + 1)), int(draws[1] * (spare_down + 1))
        else:
            left, top = round(spare_right / 2), round(spare_down / 2)
        square = resized.crop((left, top, left + self.image_size, top + self.image_size))
        return square.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else square
