"""The two normalizations that student families come with."""

from typing import Literal

from torch import nn

Norm = Literal["batch", "instance"]


def norm_layer(norm: Norm, channels: int) -> nn.Module:
    """Build a normalization with learned scale and shift.

    Args:
        norm: ``batch`` or ``instance``. Instance norm is group norm with one channel a group: the same numbers, and it
            also takes 1×1 maps.
        channels: Number of channels.

    Raises:
        ValueError: For another name.
    """
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "instance":
        return nn.GroupNorm(channels, channels)
    raise ValueError(f"norm={norm!r}: choose batch or instance.")
