"""Images from VAR, amplified or not: the loop over scales.

Legend: ``B`` images · ``L`` tokens of all scales · ``l`` tokens of one scale · ``V`` codebook size · ``c`` latent
channels · ``h w`` latent side · ``H W`` pixels.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from hieramp_lit.amplify import Amplification, Amplifier, no_schedule
from hieramp_lit.generate.base import Generated
from hieramp_lit.generate.streams import token_uniforms
from hieramp_lit.var import VAR, VQVAE, Sampling, check_pair, draw, filtered_probabilities, guide


class VARGenerator(nn.Module):
    """Generator of VAR with optional class tokens and amplification (HIERAMP, Sec. 3.4).

    Args:
        vqvae: Tokenizer; its decoder makes the image.
        var: Transformer on that tokenizer's tokens.
        sampling: Guidance and filtering.
        amplification: What to amplify; None for the plain sampler.
        weights: SHA-256 of the weight files by role, for provenance.

    Raises:
        ValueError: If tokenizer and transformer do not belong together, or the amplification does not fit the model.
    """

    def __init__(
        self,
        vqvae: VQVAE,
        var: VAR,
        sampling: Sampling = Sampling(),  # noqa: B008 (frozen)
        amplification: Amplification | None = None,
        weights: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        check_pair(vqvae, var)
        self.vqvae = vqvae.eval()
        self.var = var.eval()
        self.sampling = sampling
        self.schedule = no_schedule(len(var.scales), var.depth)
        if amplification is not None:
            self.schedule = amplification.schedule(var.scales, var.depth, var.class_token_scales)
        self.weights = dict(weights or {})

    @property
    def name(self) -> str:
        """``hieramp`` when something is amplified, else ``var``."""
        return "var" if self.schedule.off else "hieramp"

    def identity(self) -> dict[str, Any]:
        """Weights' SHA-256, sampling, the schedule (None when nothing is amplified), blocks of the maps."""
        return {
            "weights": self.weights,
            "sampling": asdict(self.sampling),
            "schedule": None if self.schedule.off else self.schedule.to_json(),
            "saliency_blocks": list(self.schedule.blocks),
        }

    @torch.no_grad()
    def generate(self, labels_B: Tensor, indices_B: Tensor, seed: int, record_saliency: bool = False) -> Generated:
        """Generate one image for each (class row, index) under `seed`.

        Args:
            labels_B: Class rows in ``[0, num_classes)``, int64, shape ``(B,)``.
            indices_B: Index of each image within its class, int64, shape ``(B,)``.
            seed: The set's seed.
            record_saliency: Also return the class tokens' maps at the amplified blocks (with amplification off: at the
                block before the last) for all scales with a class token. Changes no bit of the images.

        Returns:
            Images, tokens and ``f_hat``; maps and masks when asked.

        Raises:
            ValueError: For a class row that the model does not have.
        """
        var, quantizer = self.var, self.vqvae.quantize
        device = var.head.weight.device
        labels_B = labels_B.to(device)
        if len(labels_B) and not 0 <= int(labels_B.min()) <= int(labels_B.max()) < var.num_classes:
            raise ValueError(f"Class rows {sorted(set(labels_B.tolist()))}: this VAR has 0 to {var.num_classes - 1}.")
        B, scales = len(labels_B), var.scales
        uniforms_BL = token_uniforms(labels_B, indices_B, seed, scales.total).to(device)
        amplifier = Amplifier(self.schedule, var.class_token_scales if record_saliency else ())

        condition = var.condition(torch.cat([labels_B, torch.full_like(labels_B, var.num_classes)]))
        cache = var.new_cache(2 * B, _compute_dtype(device))
        f_hat = torch.zeros(B, self.vqvae.z_channels, scales.side, scales.side, device=device)
        features_Blc: Tensor | None = None
        tokens = []
        for k, place in enumerate(scales.slices):
            if k > 0:
                features_Blc = quantizer.next_input(f_hat, k).repeat(2, 1, 1)
            logits = var.forward_scale(features_Blc, k, condition, cache, amplifier.hooks(k))
            conditional_BlV, unconditional_BlV = logits.chunk(2)
            guided_BlV = guide(conditional_BlV, unconditional_BlV, self.sampling.cfg * scales.progress(k))
            probabilities = filtered_probabilities(guided_BlV, top_k=self.sampling.top_k, top_p=self.sampling.top_p)
            tokens.append(draw(probabilities, uniforms_BL[:, place]))
            with torch.autocast(device.type, enabled=False):
                f_hat = f_hat + quantizer.contribution(tokens[-1], k).float()
        return Generated(
            images=to_uint8(self.vqvae.decode_features(f_hat)),
            tokens=torch.cat(tokens, dim=1),
            f_hat=f_hat,
            saliency=amplifier.saliency if record_saliency else None,
            masks=amplifier.masks if record_saliency else None,
        )


def to_uint8(image_BCHW: Tensor) -> Tensor:
    """Image in [-1, 1], ``(B, 3, H, W)``, to uint8 pixels ``(B, H, W, 3)``, rounded to the nearest."""
    pixels = image_BCHW.float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous()


def _compute_dtype(device: torch.device) -> torch.dtype | None:
    """What autocast makes of keys and values; None outside of it."""
    return torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else None
