"""Random streams of single images: what makes an image independent of batch, device count and neighbours."""

import torch
from torch import Tensor

from hieramp_lit.seeds import stream


def token_uniforms(labels_B: Tensor, indices_B: Tensor, seed: int, length: int) -> Tensor:
    """One uniform number per token of each image, drawn on the CPU from the image's own stream.

    Args:
        labels_B: Class rows, int64, shape ``(B,)``.
        indices_B: Index of each image within its class, int64, shape ``(B,)``.
        seed: The set's seed.
        length: Tokens of an image, ``L``.

    Returns:
        Numbers in [0, 1), float64, shape ``(B, L)``, on the CPU.
    """
    places = zip(labels_B.tolist(), indices_B.tolist(), strict=True)
    draws = [torch.rand(length, generator=stream("image", seed, row, i), dtype=torch.float64) for row, i in places]
    return torch.stack(draws) if draws else torch.empty(0, length, dtype=torch.float64)
