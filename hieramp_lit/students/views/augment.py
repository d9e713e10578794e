"""Per-sample augmentation of a whole batch on its device: shuffled patches, random resized crop, horizontal flip.

Parameters are drawn on the CPU from an explicit generator, so that they are the same on every device; pixels stay where
they are (`resample`). Torchvision draws one crop for a whole batch tensor, which is another augmentation.

Legend: ``B`` batch · ``T`` tries · ``S`` side of the output.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hieramp_lit.students.views.patches import shuffled
from hieramp_lit.students.views.resample import Crops, resized_crop, whole

TRIES = 10


@dataclass(frozen=True)
class Augmentation:
    """Random resized crop and horizontal flip, after patches were shuffled; each image with its own draw.

    Args:
        min_scale: Smallest share of the area that a crop keeps, in (0, 1]. RDED: ½ for its 2×2 collages; 0.08 (D³HR's
            value) for generated images, where RDED's own rule, 1 / patches a side, would keep everything.
        max_scale: Largest share, not below `min_scale`; 1 everywhere in the published protocols.
        min_ratio: Smallest width / height of a crop; the largest is its inverse. 1 keeps squares, ¾ is usual.
        flip: Probability of a horizontal flip. 0 where mirrored images mean something else, as with digits.
        antialias: Average source pixels where a crop is larger than the output.
        shuffle_patches: Strips a side whose order is drawn anew before the crop, the columns' first, then the rows';
            must divide the image. 2 for RDED's 2×2 collages, with a `min_scale` of ½; 1 shuffles nothing.
        enabled: False keeps the images, resized to the input size.
    """

    min_scale: float = 0.08
    max_scale: float = 1.0
    min_ratio: float = 3 / 4
    flip: float = 0.5
    antialias: bool = True
    shuffle_patches: int = 1
    enabled: bool = True

    def __post_init__(self) -> None:
        for name in ("min_scale", "min_ratio"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise ValueError(f"augmentation.{name}={value} must be in (0, 1]; 1 turns it off.")
        if not self.min_scale <= self.max_scale <= 1:
            raise ValueError(
                f"augmentation.max_scale={self.max_scale} must be in [min_scale, 1], min_scale is {self.min_scale}."
            )
        if self.shuffle_patches < 1:
            raise ValueError(f"augmentation.shuffle_patches={self.shuffle_patches} must be at least 1, which is off.")
        if not 0 <= self.flip <= 1:
            raise ValueError(f"augmentation.flip={self.flip} is a probability: give 0 to 1.")

    def __call__(self, image_BCHW: Tensor, size: int, generator: torch.Generator, out: Tensor | None = None) -> Tensor:
        """Shuffle, crop and flip.

        Args:
            image_BCHW: uint8 in 0…255 or float, shape ``(B, 3, H, W)``.
            size: Side S of the output.
            generator: CPU generator of the parameters.
            out: Where to write the result; None takes new memory.

        Returns:
            Float32 in [0, 1] for uint8 input, else in the input's range; shape ``(B, 3, S, S)``.

        Raises:
            ValueError: If `shuffle_patches` does not divide the image.
        """
        if not self.enabled:
            return resized_crop(image_BCHW, whole(image_BCHW), size, self.antialias, out=out)
        if self.shuffle_patches > 1:
            image_BCHW = shuffled(image_BCHW, self.shuffle_patches, generator)
        ratio = (self.min_ratio, 1 / self.min_ratio)
        height, width = image_BCHW.shape[-2:]
        crops = sample_crops(len(image_BCHW), height, width, (self.min_scale, self.max_scale), ratio, generator)
        flip_B = torch.rand(len(image_BCHW), generator=generator, dtype=torch.float64) < self.flip
        return resized_crop(image_BCHW, crops, size, self.antialias, flip_B, out)


def sample_crops(
    batch: int,
    height: int,
    width: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    generator: torch.Generator,
) -> Crops:
    """Draw a box for each image under torchvision's law of `RandomResizedCrop`.

    Area uniform in ``scale``, logarithm of width / height uniform, position uniform; up to ten tries to fit, then the
    largest central box of an allowed ratio.

    Args:
        batch: Number of boxes B.
        height: Height of the images.
        width: Width of the images.
        scale: Smallest and largest share of the area.
        ratio: Smallest and largest width / height.
        generator: CPU generator.
    """
    area_TB, log_ratio_TB, row_B, column_B = _uniforms(batch, generator)
    area_TB = height * width * (scale[0] + (scale[1] - scale[0]) * area_TB)
    low, high = math.log(ratio[0]), math.log(ratio[1])
    ratio_TB = torch.exp(low + (high - low) * log_ratio_TB)
    width_TB = torch.sqrt(area_TB * ratio_TB).round().long()
    height_TB = torch.sqrt(area_TB / ratio_TB).round().long()
    fits_TB = (width_TB > 0) & (width_TB <= width) & (height_TB > 0) & (height_TB <= height)
    first_B = fits_TB.int().argmax(dim=0)
    fits_B = fits_TB.any(dim=0)
    central_height, central_width = _central(height, width, ratio)
    each_B = torch.arange(batch)
    height_B = torch.where(fits_B, height_TB[first_B, each_B], central_height)
    width_B = torch.where(fits_B, width_TB[first_B, each_B], central_width)
    top_B = torch.where(fits_B, (row_B * (height - height_B + 1)).long(), (height - height_B) // 2)
    left_B = torch.where(fits_B, (column_B * (width - width_B + 1)).long(), (width - width_B) // 2)
    return Crops(top_B, left_B, height_B, width_B)


def _uniforms(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    tries = torch.rand(2, TRIES, batch, generator=generator, dtype=torch.float64)
    place = torch.rand(2, batch, generator=generator, dtype=torch.float64)
    return tries[0], tries[1], place[0], place[1]


def _central(height: int, width: int, ratio: tuple[float, float]) -> tuple[int, int]:
    if width / height < ratio[0]:
        return round(width / ratio[0]), width
    if width / height > ratio[1]:
        return height, round(height * ratio[1])
    return height, width
