"""Small random rotations, shifts and zooms, each sample's own, for whole batches at once.

Legend: ``B`` batch · ``H W`` pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from hieramp_lit.data.loading import SampleKey
from hieramp_lit.seeds import stream


@dataclass(frozen=True)
class Warp:
    """Turns, moves and scales images a little; what comes in from outside is black.

    Args:
        rotate: Largest rotation in degrees, either way.
        shift: Largest move along each axis in pixels, either way.
        zoom: Smallest and largest scale; ``(1, 1)`` keeps the size.

    Raises:
        ValueError: If a range is negative or the zooms are not positive and ascending.
    """

    rotate: float = 10.0
    shift: float = 2.0
    zoom: tuple[float, float] = (0.9, 1.1)

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.rotate < 0 or self.shift < 0 or not 0 < self.zoom[0] <= self.zoom[1]:
            raise ValueError(
                f"data.augmentation: rotate={self.rotate}, shift={self.shift}, zoom={list(self.zoom)}; expected "
                "degrees and pixels of 0 or more, and two positive zooms, the smaller one first."
            )

    def __call__(self, image_BCHW: Tensor, keys: Sequence[SampleKey], seed: int) -> Tensor:
        """Warp each image by the draws of its own key.

        Args:
            image_BCHW: Pixels, uint8 in 0…255.
            keys: One a image.
            seed: Of the data module.

        Returns:
            Pixels, uint8, same shape; resampled bicubically.
        """
        draws_B4 = torch.stack([torch.rand(4, generator=stream("warp", seed, *key)) for key in keys])
        height, width = image_BCHW.shape[-2:]
        angle, down, right = (2 * draws_B4[:, :3] - 1).unbind(1)
        angle = angle * math.radians(self.rotate)
        zoom = self.zoom[0] + (self.zoom[1] - self.zoom[0]) * draws_B4[:, 3]
        cos, sin = angle.cos() / zoom, angle.sin() / zoom
        # From output to input, in units of half an image; an image wider than high turns in pixels, not in these units.
        theta_B23 = torch.stack(
            [
                torch.stack([cos, -sin * height / width, -2 * self.shift * right / width], dim=1),
                torch.stack([sin * width / height, cos, -2 * self.shift * down / height], dim=1),
            ],
            dim=1,
        )
        grid = F.affine_grid(theta_B23, list(image_BCHW.shape), align_corners=False)
        warped = F.grid_sample(image_BCHW.float(), grid, mode="bicubic", padding_mode="zeros", align_corners=False)
        return warped.round().clamp(0, 255).to(torch.uint8)
