"""Shuffling the patches of collages, as RDED does before it crops: a patch's place then teaches nothing.

Legend: ``B`` batch · ``F`` strips a side · ``H W`` pixels.
"""

import torch
from torch import Tensor

from hieramp_lit.transfer import sent


def shuffled(image_BCHW: Tensor, factor: int, generator: torch.Generator) -> Tensor:
    """Cut each image into `factor` columns and draw their order anew; then its rows likewise.

    Patches of one column stay in one column, as in the published loop.

    Args:
        image_BCHW: Shape ``(B, C, H, W)``; left alone.
        factor: Strips F a side; must divide height and width.
        generator: CPU generator of the orders.

    Raises:
        ValueError: If `factor` does not divide the image.
    """
    height, width = image_BCHW.shape[-2:]
    if height % factor or width % factor:
        raise ValueError(
            f"augmentation.shuffle_patches={factor} does not divide the images of {height} × {width} pixels. Give a "
            "divisor (RDED's collages: 2), or 1 to shuffle nothing."
        )
    batch = len(image_BCHW)
    column_BW = _order(batch, width, factor, generator)
    row_BH = _order(batch, height, factor, generator)
    column_BW, row_BH = sent(column_BW, image_BCHW.device), sent(row_BH, image_BCHW.device)
    each_B111 = torch.arange(batch, device=image_BCHW.device)[:, None, None, None]
    channel_C11 = torch.arange(image_BCHW.shape[1], device=image_BCHW.device)[:, None, None]
    return image_BCHW[each_B111, channel_C11, row_BH[:, None, :, None], column_BW[:, None, None, :]]


def _order(batch: int, length: int, factor: int, generator: torch.Generator) -> Tensor:
    """Which pixel of one axis each place gets, ``(B, length)``: strips in an order of their own for each image."""
    strip_BF = torch.rand(batch, factor, generator=generator, dtype=torch.float64).argsort(dim=1)
    side = length // factor
    return (strip_BF[:, :, None] * side + torch.arange(side)).flatten(1)
