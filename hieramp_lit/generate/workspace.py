"""Memory that every batch of one size uses again: allocating it anew would cost page faults or fragments each time.

Legend: ``B`` images · ``2B`` both guidance halves, conditional first · ``L`` tokens of all scales · ``c`` latent
channels · ``h w`` latent side.
"""

import torch
from torch import Tensor

from hieramp_lit.amplify import Amplifier
from hieramp_lit.var import VAR


class Workspace:
    """Inputs, state and results of one run over the scales.

    Args:
        var: The transformer; decides sizes and the cache's precision.
        batch: Images at once, B.
        amplifier: Amplifies and records during the run.

    Attributes:
        amplifier: As given.
        batch: As given.
        labels_2B: Class rows, then B times the unconditional row, int64.
        uniforms_BL: One number in [0, 1) a token, float64.
        cache: Keys and values of all blocks.
        f_hat: Accumulated latent feature, float32, shape ``(B, c, h, w)``.
        tokens_BL: Drawn tokens, int64.
    """

    def __init__(self, var: VAR, batch: int, amplifier: Amplifier) -> None:
        scales, device = var.scales, var.head.weight.device
        self.amplifier = amplifier
        self.batch = batch
        self.labels_2B = torch.full((2 * batch,), var.num_classes, device=device)
        self.uniforms_BL = torch.zeros(batch, scales.total, dtype=torch.float64, device=device)
        self.cache = var.new_cache(2 * batch)
        self.f_hat = torch.empty(batch, var.z_channels, scales.side, scales.side, device=device)
        self.tokens_BL = torch.empty(batch, scales.total, dtype=torch.int64, device=device)

    def take(self, labels_B: Tensor, uniforms_BL: Tensor) -> None:
        """Copy a batch's inputs in, B images or fewer; what is left over keeps the images of an earlier batch."""
        images = len(labels_B)
        self.labels_2B[:images] = labels_B
        self.uniforms_BL[:images].copy_(uniforms_BL, non_blocking=True)
