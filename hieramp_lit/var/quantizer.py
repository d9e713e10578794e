"""Multi-scale residual quantizer (VAR, arXiv:2404.02905, Algorithms 1 and 2), names as published.

Legend: ``B`` batch · ``K`` scales · ``L`` tokens of all scales · ``l`` tokens of one scale · ``V`` codebook size ·
``c`` latent channels · ``h w`` latent side.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hieramp_lit.var.exact import exact_convolutions
from hieramp_lit.var.scales import Scales


class Quantized(NamedTuple):
    """What the quantizer makes of a feature.

    Attributes:
        f_hat: Sum of all scales' contributions, shape ``(B, c, h, w)``; gradients go straight through to the feature.
        loss: Codebook and commitment loss, scalar, averaged over the scales.
        tokens: Codebook indices, int64, shape ``(B, L)``.
    """

    f_hat: Tensor
    loss: Tensor
    tokens: Tensor


class Phi(nn.Conv2d):
    """``φ(e) = 0.5·e + 0.5·conv3×3(e)``: repairs what up-sampling a token map blurs."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 3, padding=1)

    def forward(self, e_Bchw: Tensor) -> Tensor:
        """Keep the shape ``(B, c, h, w)``."""
        return e_Bchw.mul(0.5) + super().forward(e_Bchw).mul(0.5)


class SharedPhi(nn.Module):
    """A few φ convolutions shared over the scales: a scale uses the one whose tick is nearest.

    Args:
        channels: Latent channels.
        num_phi: Number of convolutions, at least 1; 4 in the published models.

    Raises:
        ValueError: If `num_phi` is below 1.
    """

    def __init__(self, channels: int, num_phi: int) -> None:
        super().__init__()
        if num_phi < 1:
            raise ValueError(f"num_phi={num_phi}: expected at least 1 (the published tokenizers have 4).")
        self.qresi_ls = nn.ModuleList(Phi(channels) for _ in range(num_phi))
        # The published four have their ticks at 1/12 … 11/12, every other number at the middles of equal parts. The
        # middle scale of an odd count lies between two ticks: NumPy's rounding decides, as in the published code.
        margin = 1 / 12 if num_phi == 4 else 1 / (2 * num_phi)
        self.ticks = np.linspace(margin, 1 - margin, num_phi)

    def at(self, progress: float) -> nn.Module:
        """Convolution for a scale at ``progress = k / (K − 1)``; the first one on a tie."""
        return self.qresi_ls[int(np.argmin(np.abs(self.ticks - progress)))]


class MultiScaleQuantizer(nn.Module):
    """Quantizes a feature scale by scale, each scale taking what the coarser ones left.

    Args:
        scales: Token maps from coarse to fine; the last side is the feature's.
        vocab_size: Codebook size, ``V``.
        z_channels: Latent channels, ``c``.
        num_phi: Shared φ convolutions.
        commitment: Weight of the commitment term; 0.25 as published.
    """

    ema_vocab_hit_SV: Tensor

    def __init__(
        self, scales: Scales, vocab_size: int, z_channels: int, num_phi: int = 4, commitment: float = 0.25
    ) -> None:
        super().__init__()
        self.scales = scales
        self.vocab_size = vocab_size
        self.commitment = commitment
        self.quant_resi = SharedPhi(z_channels, num_phi)
        # A statistic of the published training run; it rides in the state dict and decides nothing.
        self.register_buffer("ema_vocab_hit_SV", torch.zeros(len(scales), vocab_size))
        self.embedding = nn.Embedding(vocab_size, z_channels)
        # Small and uniform: from torch's standard normal, coarse scales of small tokenizers end with one code in use.
        nn.init.uniform_(self.embedding.weight, -1 / vocab_size, 1 / vocab_size)

    def fingerprint(self) -> str:
        """SHA-256 of codebook and φ convolutions in float32: what tokens mean, in whatever file it lies."""
        digest = hashlib.sha256()
        for name, parameter in sorted(self.named_parameters()):
            digest.update(f"{name} {tuple(parameter.shape)} ".encode())
            digest.update(parameter.detach().float().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def nearest(self, z_Nc: Tensor) -> Tensor:
        """Index of the nearest codebook row in L2, int64, shape ``(N,)``, for vectors of shape ``(N, c)``."""
        book_Vc = self.embedding.weight
        distance_NV = z_Nc.square().sum(1, keepdim=True) + book_Vc.square().sum(1) - 2 * (z_Nc @ book_Vc.T)
        return distance_NV.argmin(dim=1)

    def contribution(self, tokens_Bl: Tensor, scale: int) -> Tensor:
        """What one scale adds to ``f_hat``: embed, up-sample (bicubic), φ.

        Args:
            tokens_Bl: Codebook indices, int64, shape ``(B, l)``.
            scale: Index of the scale.

        Returns:
            Shape ``(B, c, h, w)``.
        """
        side = self.scales.patch_nums[scale]
        e_Blc = self.embedding(tokens_Bl)
        e_Bcpp = e_Blc.transpose(1, 2).reshape(len(tokens_Bl), -1, side, side)
        if scale != len(self.scales) - 1:
            e_Bcpp = F.interpolate(e_Bcpp, size=(self.scales.side,) * 2, mode="bicubic")
        y: Tensor = self.quant_resi.at(self.scales.progress(scale))(e_Bcpp)
        return y

    def shrink(self, f_Bchw: Tensor, scale: int) -> Tensor:
        """Area-downsample a feature to the side of a scale: ``(B, c, p, p)``; the last scale takes it as it is."""
        if scale == len(self.scales) - 1:
            return f_Bchw
        return F.interpolate(f_Bchw, size=(self.scales.patch_nums[scale],) * 2, mode="area")

    def next_input(self, f_hat_Bchw: Tensor, scale: int) -> Tensor:
        """Transformer input of a scale from what the coarser ones accumulated, shape ``(B, l, c)``."""
        return self.shrink(f_hat_Bchw, scale).flatten(2).transpose(1, 2)

    def quantize(self, f_Bchw: Tensor) -> Quantized:
        """Quantize a feature, with the losses that train it: per scale ``0.25·mse(sg f̂, f) + mse(f̂, sg f)``.

        Args:
            f_Bchw: Feature, shape ``(B, c, h, w)``, ``h = w =`` last of `scales`.

        Raises:
            ValueError: If the side of the feature is not that of the last scale.
        """
        self._check_side(f_Bchw)
        with torch.autocast(f_Bchw.device.type, enabled=False):
            return self._quantize(f_Bchw.float())

    def _quantize(self, f_Bchw: Tensor) -> Quantized:
        target = f_Bchw.detach()
        rest = target
        f_hat = torch.zeros_like(target)
        loss = f_Bchw.new_zeros(())
        tokens = []
        for k in range(len(self.scales)):
            z_Bcpp = self.shrink(rest, k)
            tokens_Bl = self.nearest(z_Bcpp.permute(0, 2, 3, 1).flatten(0, 2)).view(len(f_Bchw), -1)
            added = self.contribution(tokens_Bl, k)
            f_hat = f_hat + added
            rest = rest - added.detach()
            loss = loss + self.commitment * F.mse_loss(f_hat.detach(), f_Bchw) + F.mse_loss(f_hat, target)
            tokens.append(tokens_Bl)
        straight_through = (f_hat - target).detach() + f_Bchw
        return Quantized(straight_through, loss / len(self.scales), torch.cat(tokens, dim=1))

    def split(self, tokens_BL: Tensor) -> Sequence[Tensor]:
        """Cut the tokens of all scales, ``(B, L)``, into one ``(B, l)`` per scale.

        Raises:
            ValueError: If `L` is not that of the scales.
        """
        if tokens_BL.shape[1] != self.scales.total:
            raise ValueError(
                f"Got {tokens_BL.shape[1]} tokens per image, {self.scales} has {self.scales.total}. "
                "Check that `patch_nums` is the same for tokenizer and transformer."
            )
        return [tokens_BL[:, place] for place in self.scales.slices]

    def accumulate(self, tokens_BL: Tensor) -> Tensor:
        """Sum of all scales' contributions, ``f_hat``, shape ``(B, c, h, w)``."""
        first, *finer = self.split(tokens_BL)
        f_hat = self.contribution(first, 0)
        for k, tokens_Bl in enumerate(finer, start=1):
            f_hat = f_hat + self.contribution(tokens_Bl, k)
        return f_hat

    @exact_convolutions()
    def teacher_input(self, tokens_BL: Tensor) -> Tensor:
        """Inputs of the scales 1…K−1 under teacher forcing.

        Args:
            tokens_BL: True tokens, int64, shape ``(B, L)``.

        Returns:
            Shape ``(B, L − l₀, c)``, ``l₀`` the tokens of the first scale (one, in the published models).
        """
        tokens = self.split(tokens_BL)
        side = self.scales.side
        f_hat = self.embedding.weight.new_zeros(len(tokens_BL), self.embedding.embedding_dim, side, side)
        inputs = [f_hat.flatten(2).transpose(1, 2)[:, :0]]
        for k in range(len(self.scales) - 1):
            f_hat = f_hat + self.contribution(tokens[k], k)
            inputs.append(self.next_input(f_hat, k + 1))
        return torch.cat(inputs, dim=1)

    def _check_side(self, f_Bchw: Tensor) -> None:
        if f_Bchw.shape[-2:] != (self.scales.side,) * 2:
            raise ValueError(
                f"The feature has side {tuple(f_Bchw.shape[-2:])}, the last of {self.scales} is {self.scales.side}. "
                "Give images whose side divided by the tokenizer's factor is that number, or change `patch_nums`."
            )
