"""CutMix and MixUp of a whole batch, one draw for all of its images (as RDED does).

Legend: ``B`` batch · ``H W`` pixels.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from hieramp_lit.transfer import sent

Mix = Literal["cutmix", "mixup", "none"]


class Mixed(NamedTuple):
    """A mixed batch.

    Attributes:
        image: Mixed images, shape ``(B, C, H, W)``.
        partner: Index of the image mixed into each, int64, shape ``(B,)``, on the images' device.
        share: How much of each image is its own, in [0, 1]: the labels' weight. For CutMix the exact share of pixels.
    """

    image: Tensor
    partner: Tensor
    share: float


class Box(NamedTuple):
    """Half-open pixel ranges ``[top, bottom)`` and ``[left, right)``."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def area(self) -> int:
        """Number of pixels."""
        return (self.bottom - self.top) * (self.right - self.left)


def mix_images_(image_BCHW: Tensor, mix: Mix, alpha: float, generator: torch.Generator) -> Mixed:
    """Mix a batch with a permutation of itself, in place; λ ~ Beta(alpha, alpha).

    Args:
        image_BCHW: Float images, shape ``(B, C, H, W)``; they are overwritten.
        mix: ``cutmix`` pastes one box (arXiv:1905.04899), ``mixup`` blends (arXiv:1710.09412), ``none`` returns the
            images.
        alpha: Both parameters of the Beta law, positive.
        generator: CPU generator.

    Raises:
        ValueError: For an unknown `mix`.
    """
    if mix == "none":
        return Mixed(image_BCHW, torch.arange(len(image_BCHW), device=image_BCHW.device), 1.0)
    partner_B = sent(torch.randperm(len(image_BCHW), generator=generator), image_BCHW.device)
    share = sample_beta(alpha, generator)
    if mix == "mixup":
        other_BCHW = image_BCHW.index_select(0, partner_B)
        return Mixed(image_BCHW.mul_(share).add_(other_BCHW, alpha=1 - share), partner_B, share)
    if mix != "cutmix":
        raise ValueError(f"model.protocol.mix={mix!r}: choose cutmix, mixup or none.")
    height, width = image_BCHW.shape[-2:]
    center = (int(torch.randint(height, (), generator=generator)), int(torch.randint(width, (), generator=generator)))
    box = cutmix_box(height, width, share, center)
    inside_BChw = image_BCHW[..., box.top : box.bottom, box.left : box.right]
    inside_BChw.copy_(inside_BChw.index_select(0, partner_B))
    return Mixed(image_BCHW, partner_B, 1 - box.area / (height * width))


def cutmix_box(height: int, width: int, share: float, center: tuple[int, int]) -> Box:
    """Box with sides √(1 − λ) of the image's, clipped to the image.

    Args:
        height: Image height.
        width: Image width.
        share: λ, the share of the image that stays, in [0, 1].
        center: Row and column of the box's centre, inside the image.
    """
    side = (1 - share) ** 0.5
    box_height, box_width = int(height * side), int(width * side)
    top, left = center[0] - box_height // 2, center[1] - box_width // 2
    return Box(max(top, 0), min(center[0] + box_height // 2, height), max(left, 0),
               min(center[1] + box_width // 2, width))  # fmt: skip


def sample_beta(alpha: float, generator: torch.Generator) -> float:
    """Draw λ ~ Beta(alpha, alpha) as the ratio of two Gamma draws."""
    gamma = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator=generator)
    return float(gamma[0] / gamma.sum())
