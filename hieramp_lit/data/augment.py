"""Per-sample augmentation of a whole batch on its device: random resized crop and horizontal flip.

Parameters are drawn on the CPU from an explicit generator, so that they are the same on every device; pixels stay where
they are. Torchvision draws one crop for a whole batch tensor, which is another augmentation.

Legend: ``B`` batch · ``H W`` pixels of the input · ``S`` side of the output.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

TRIES = 10


class Crops(NamedTuple):
    """Boxes in pixels of the input, int64, each of shape ``(B,)``."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor


@dataclass(frozen=True)
class Augmentation:
    """Random resized crop and horizontal flip, each image with its own draw.

    Args:
        min_scale: Smallest share of the area that a crop keeps, in (0, 1]; the largest is 1. RDED: ½ for its 2×2
            collages; 0.08 (D³HR's value) for generated images.
        min_ratio: Smallest width / height of a crop; the largest is its inverse. 1 keeps squares, ¾ is usual.
        flip: Probability of a horizontal flip. 0 where mirrored images mean something else, as with digits.
        antialias: Average source pixels where a crop is larger than the output.
        enabled: False keeps the images, resized to the input size.
    """

    min_scale: float = 0.08
    min_ratio: float = 3 / 4
    flip: float = 0.5
    antialias: bool = True
    enabled: bool = True

    def __post_init__(self) -> None:
        for name in ("min_scale", "min_ratio"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise ValueError(f"augmentation.{name}={value} must be in (0, 1]; 1 turns it off.")
        if not 0 <= self.flip <= 1:
            raise ValueError(f"augmentation.flip={self.flip} is a probability: give 0 to 1.")

    def __call__(self, image_BCHW: Tensor, size: int, generator: torch.Generator) -> Tensor:
        """Crop and flip.

        Args:
            image_BCHW: uint8 in 0…255 or float, shape ``(B, 3, H, W)``.
            size: Side S of the output.
            generator: CPU generator of the parameters.

        Returns:
            Float32 in [0, 1] for uint8 input, else in the input's range; shape ``(B, 3, S, S)``.
        """
        image = image_BCHW.float() / 255 if image_BCHW.dtype == torch.uint8 else image_BCHW
        if not self.enabled:
            return resized_crop(image, whole(image), size, self.antialias)
        ratio = (self.min_ratio, 1 / self.min_ratio)
        height, width = image.shape[-2:]
        crops = sample_crops(len(image), height, width, (self.min_scale, 1.0), ratio, generator)
        flip_B = torch.rand(len(image), generator=generator, dtype=torch.float64) < self.flip
        return resized_crop(image, crops, size, self.antialias, flip_B)


def whole(image_BCHW: Tensor) -> Crops:
    """Boxes that keep everything."""
    height, width = image_BCHW.shape[-2:]
    zero_B = torch.zeros(len(image_BCHW), dtype=torch.int64)
    return Crops(zero_B, zero_B, zero_B + height, zero_B + width)


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


def resized_crop(
    image_BCHW: Tensor, crops: Crops, size: int, antialias: bool = True, flip_B: Tensor | None = None
) -> Tensor:
    """Cut a box out of each image and resize it bilinearly to a square; then flip those marked.

    Equal to torchvision's ``resized_crop`` on floats, with antialias and without. Bilinear resizing is separable, so
    each image is multiplied with one matrix of row weights and one of column weights: two batched products.

    Args:
        image_BCHW: Float images, shape ``(B, C, H, W)``.
        crops: Boxes, on any device.
        size: Side S of the output.
        antialias: Widen the triangle filter where the box is larger than the output.
        flip_B: Which to mirror left to right, bool, shape ``(B,)``.

    Returns:
        Shape ``(B, C, S, S)``.
    """
    height, width = image_BCHW.shape[-2:]
    rows_BSH = _resize_weights(crops.top, crops.height, height, size, antialias)
    columns_BSW = _resize_weights(crops.left, crops.width, width, size, antialias)
    if flip_B is not None:
        columns_BSW = torch.where(flip_B[:, None, None], columns_BSW.flip(1), columns_BSW)
    rows_B1SH = rows_BSH.to(image_BCHW)[:, None]
    columns_B1WS = columns_BSW.to(image_BCHW)[:, None].transpose(-1, -2)
    with torch.autocast(image_BCHW.device.type, enabled=False):  # pixels keep full precision
        return rows_B1SH @ (image_BCHW @ columns_B1WS)


def _resize_weights(start_B: Tensor, length_B: Tensor, full: int, size: int, antialias: bool) -> Tensor:
    """Weights ``(B, S, full)`` of input pixels in each output pixel, along one axis; every row sums to 1."""
    length_B11 = length_B[:, None, None].double()
    scale_B11 = length_B11 / size
    center_BS1 = scale_B11 * (torch.arange(size, dtype=torch.float64)[:, None] + 0.5)
    if antialias:
        reach_B11 = scale_B11.clamp(min=1.0)
    else:  # without antialias the outermost pixel centres are repeated outwards
        reach_B11 = torch.ones_like(scale_B11)
        center_BS1 = torch.minimum(center_BS1.clamp(min=0.5), length_B11 - 0.5)
    pixel_B1f = torch.arange(full)[None, None] - start_B[:, None, None]
    weights = (1 - (pixel_B1f + 0.5 - center_BS1).abs() / reach_B11).clamp(min=0)
    weights = weights * ((pixel_B1f >= 0) & (pixel_B1f < length_B[:, None, None]))
    return weights / weights.sum(dim=-1, keepdim=True)


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
