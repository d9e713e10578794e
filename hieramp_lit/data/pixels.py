"""Between stored pixels and what networks take."""

import torch
from torch import Tensor


def to_unit_range(image: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Pixels, uint8 in 0…255 of any shape, as ``[-1, 1]``, the range of VAR's tokenizer."""
    return image.to(dtype) / 127.5 - 1
