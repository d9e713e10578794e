"""Convolutions that compute in the precision of their tensors."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Within it, and in functions that it decorates, cuDNN rounds no factor of a float32 convolution.

    As torch comes, it rounds them to the 10 bits of TF32, which is as coarse as float16: an encoder chooses other
    tokens then, and φ gives the transformer other inputs. Matrix products are exact by default.
    """
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
