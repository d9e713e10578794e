"""Encoder and decoder of the tokenizer: the latent-diffusion VQ networks (arXiv:2112.10752), names as published.

Legend: ``B`` batch · ``c`` latent channels · ``C`` channels of a level · ``h w`` latent side · ``H W`` pixels.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(num_groups=32, num_channels=channels, eps=1e-6)


def _silu(x: Tensor) -> Tensor:
    return F.silu(x, inplace=not x.requires_grad)  # always of a norm's fresh output


class ResidualBlock(nn.Module):
    """Two times norm, SiLU, 3×3 convolution; a 1×1 shortcut where the channels change."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm1 = _norm(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = _norm(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()

    def forward(self, x_BChw: Tensor) -> Tensor:
        """Map ``(B, in, h, w)`` to ``(B, out, h, w)``."""
        y = self.conv1(_silu(self.norm1(x_BChw)))
        y = self.conv2(_silu(self.norm2(y)))
        return torch.add(self.nin_shortcut(x_BChw), y)


class SpatialAttention(nn.Module):
    """Single-head self-attention over all positions, with a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _norm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """Keep the shape ``(B, C, h, w)``."""
        B, C, h, w = x_BChw.shape
        q, k, v = self.qkv(self.norm(x_BChw)).reshape(B, 3, C, h * w).transpose(2, 3).unbind(1)
        y = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        return torch.add(x_BChw, self.proj_out(y.transpose(1, 2).reshape(B, C, h, w)))


class Downsample(nn.Module):
    """Half the side: pad right and bottom by one, 3×3 convolution with stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """Map ``(B, C, h, w)`` to ``(B, C, h/2, w/2)``."""
        y: Tensor = self.conv(F.pad(x_BChw, (0, 1, 0, 1)))
        return y


class Upsample(nn.Module):
    """Twice the side: nearest neighbour, 3×3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """Map ``(B, C, h, w)`` to ``(B, C, 2h, 2w)``."""
        y: Tensor = self.conv(F.interpolate(x_BChw, scale_factor=2.0, mode="nearest"))
        return y


class Middle(nn.Module):
    """Block, attention, block at the lowest resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block_1 = ResidualBlock(channels, channels)
        self.attn_1 = SpatialAttention(channels)
        self.block_2 = ResidualBlock(channels, channels)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """Keep the shape ``(B, C, h, w)``."""
        y: Tensor = self.block_2(self.attn_1(self.block_1(x_BChw)))
        return y


class Level(nn.Module):
    """Blocks of one resolution, each followed by attention on the lowest one, then an optional resampling."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_blocks: int,
        attention: bool,
        resample: tuple[str, nn.Module] | None,
    ) -> None:
        super().__init__()
        widths = [in_channels, *[out_channels] * num_blocks]
        self.block = nn.ModuleList(ResidualBlock(a, b) for a, b in pairwise(widths))
        self.attn = nn.ModuleList(SpatialAttention(out_channels) for _ in range(num_blocks if attention else 0))
        self.resample_name = resample[0] if resample else None
        if resample:
            self.add_module(*resample)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """Map ``(B, in, h, w)`` to ``(B, out, h', w')``, resampled where this level does so."""
        for i, block in enumerate(self.block):
            x_BChw = block(x_BChw)
            if self.attn:
                x_BChw = self.attn[i](x_BChw)
        return self.get_submodule(self.resample_name)(x_BChw) if self.resample_name else x_BChw


class Encoder(nn.Module):
    """Image to feature: ``len(ch_mult)`` levels, each but the last halving the side.

    Args:
        ch: Channels of the first level; a multiple of 32 (GroupNorm has 32 groups).
        ch_mult: Channel multiplier per level; ``2 ** (len − 1)`` is the down-sampling factor.
        num_res_blocks: Residual blocks per level.
        z_channels: Channels of the feature, ``c``.
    """

    def __init__(self, ch: int, ch_mult: Sequence[int], num_res_blocks: int, z_channels: int) -> None:
        super().__init__()
        widths = [ch * m for m in (1, *ch_mult)]
        last = len(ch_mult) - 1
        self.conv_in = nn.Conv2d(3, ch, 3, padding=1)
        self.down = nn.ModuleList(
            Level(
                widths[i],
                widths[i + 1],
                num_res_blocks,
                attention=i == last,
                resample=("downsample", Downsample(widths[i + 1])) if i != last else None,
            )
            for i in range(len(ch_mult))
        )
        self.mid = Middle(widths[-1])
        self.norm_out = _norm(widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], z_channels, 3, padding=1)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Map an image in [-1, 1], ``(B, 3, H, W)``, to ``(B, c, h, w)``."""
        x = self.conv_in(image_BCHW)
        for level in self.down:
            x = level(x)
        x = self.mid(x)
        y: Tensor = self.conv_out(_silu(self.norm_out(x)))
        return y


class Decoder(nn.Module):
    """Feature to image; one residual block more per level than the encoder.

    Args:
        ch: As for `Encoder`.
        ch_mult: As for `Encoder`.
        num_res_blocks: Residual blocks per level of the *encoder*.
        z_channels: Channels of the feature, ``c``.
    """

    def __init__(self, ch: int, ch_mult: Sequence[int], num_res_blocks: int, z_channels: int) -> None:
        super().__init__()
        widths = [ch * m for m in ch_mult]
        last = len(ch_mult) - 1
        self.conv_in = nn.Conv2d(z_channels, widths[-1], 3, padding=1)
        self.mid = Middle(widths[-1])
        self.up = nn.ModuleList(
            Level(
                widths[min(i + 1, last)],
                widths[i],
                num_res_blocks + 1,
                attention=i == last,
                resample=("upsample", Upsample(widths[i])) if i != 0 else None,
            )
            for i in range(len(ch_mult))
        )
        self.norm_out = _norm(widths[0])
        self.conv_out = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, z_Bchw: Tensor) -> Tensor:
        """Map ``(B, c, h, w)`` to an image of about [-1, 1], ``(B, 3, H, W)``; not clamped."""
        x = self.mid(self.conv_in(z_Bchw))
        for level in reversed(self.up):
            x = level(x)
        y: Tensor = self.conv_out(_silu(self.norm_out(x)))
        return y
