"""The tokenizer: image to tokens of all scales, and back.

Legend: ``B`` batch · ``L`` tokens of all scales · ``c`` latent channels · ``h w`` latent side · ``H W`` pixels.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hieramp_lit.var.autoencoder import Decoder, Encoder
from hieramp_lit.var.exact import exact_convolutions
from hieramp_lit.var.quantizer import MultiScaleQuantizer
from hieramp_lit.var.scales import Scales


class VQVAEOutput(NamedTuple):
    """One training pass of the tokenizer.

    Attributes:
        reconstruction: Image of about [-1, 1], not clamped, shape ``(B, 3, H, W)``.
        quantization_loss: Codebook and commitment loss, scalar.
        tokens: Codebook indices, int64, shape ``(B, L)``.
    """

    reconstruction: Tensor
    quantization_loss: Tensor
    tokens: Tensor


class VQVAE(nn.Module):
    """Multi-scale VQ-VAE of VAR (arXiv:2404.02905, Sec. 3.2); state dict as published.

    Args:
        scales: Token maps from coarse to fine; images have the side ``scales.side · factor``.
        vocab_size: Codebook size; 4096 in the published model.
        z_channels: Latent channels; 32.
        ch: Channels of the first level, a multiple of 32; 160.
        ch_mult: Channel multiplier per level; each level but the last halves the side (five levels: factor 16).
        num_res_blocks: Residual blocks per encoder level (the decoder has one more).
        num_phi: φ convolutions shared over the scales.

    Raises:
        ValueError: If `ch` is not a multiple of 32 or a multiplier is not positive.
    """

    def __init__(
        self,
        scales: Scales,
        vocab_size: int = 4096,
        z_channels: int = 32,
        ch: int = 160,
        ch_mult: Sequence[int] = (1, 1, 2, 2, 4),
        num_res_blocks: int = 2,
        num_phi: int = 4,
    ) -> None:
        super().__init__()
        if ch % 32 or ch < 32:
            raise ValueError(f"ch={ch}: expected a multiple of 32, because GroupNorm has 32 groups.")
        if not ch_mult or min(ch_mult) < 1 or num_res_blocks < 1:
            raise ValueError(
                f"ch_mult={list(ch_mult)}, num_res_blocks={num_res_blocks}: expected at least one level, "
                "multipliers and block count of 1 or more."
            )
        self.scales = scales
        self.vocab_size = vocab_size
        self.z_channels = z_channels
        self.factor: int = 2 ** (len(ch_mult) - 1)
        self.encoder = Encoder(ch, ch_mult, num_res_blocks, z_channels)
        self.decoder = Decoder(ch, ch_mult, num_res_blocks, z_channels)
        self.quantize = MultiScaleQuantizer(scales, vocab_size, z_channels, num_phi)
        self.quant_conv = nn.Conv2d(z_channels, z_channels, 3, padding=1)
        self.post_quant_conv = nn.Conv2d(z_channels, z_channels, 3, padding=1)

    @property
    def image_size(self) -> int:
        """Side of the images in pixels, ``scales.side · factor``."""
        return self.scales.side * self.factor

    def feature(self, image_BCHW: Tensor) -> Tensor:
        """Continuous feature before quantization, ``(B, c, h, w)``, of an image in [-1, 1]."""
        y: Tensor = self.quant_conv(self.encoder(image_BCHW))
        return y

    def forward(self, image_BCHW: Tensor) -> VQVAEOutput:
        """Encode, quantize with gradients straight through, decode.

        Args:
            image_BCHW: Image in [-1, 1], shape ``(B, 3, H, W)``.

        Raises:
            ValueError: If the image's side is not `image_size`.
        """
        quantized = self.quantize.quantize(self.feature(image_BCHW))
        reconstruction = self.decoder(self.post_quant_conv(quantized.f_hat))
        return VQVAEOutput(reconstruction, quantized.loss, quantized.tokens)

    @torch.no_grad()
    @exact_convolutions()
    def encode(self, image_BCHW: Tensor) -> Tensor:
        """Tokens of an image.

        Args:
            image_BCHW: Image in [-1, 1], shape ``(B, 3, H, W)``.

        Returns:
            Codebook indices in ``[0, vocab_size)``, int64, shape ``(B, L)``.

        Raises:
            ValueError: If the image's side is not `image_size`.
        """
        return self.quantize.quantize(self.feature(image_BCHW)).tokens

    @torch.no_grad()
    def teacher_input(self, tokens_BL: Tensor) -> Tensor:
        """Transformer input of the scales 1…K−1 under teacher forcing, shape ``(B, L − l₀, c)``."""
        return self.quantize.teacher_input(tokens_BL)

    @torch.no_grad()
    @exact_convolutions()
    def decode(self, tokens_BL: Tensor) -> Tensor:
        """Image in [-1, 1], ``(B, 3, H, W)``, from tokens, int64, ``(B, L)``."""
        return self.decode_features(self.quantize.accumulate(tokens_BL))

    @torch.no_grad()
    def decode_features(self, f_hat_Bchw: Tensor) -> Tensor:
        """Image in [-1, 1], ``(B, 3, H, W)``, from an accumulated feature, ``(B, c, h, w)``."""
        y: Tensor = self.decoder(self.post_quant_conv(f_hat_Bchw.to(self.post_quant_conv.weight.dtype)))
        return y.clamp(-1, 1)
