"""Initial weights of VAR for training from scratch (reference §2); published weights overwrite them."""

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from hieramp_lit.var.block import Block, HeadNorm

if TYPE_CHECKING:
    from hieramp_lit.var.transformer import VAR


@torch.no_grad()
def initialize(var: "VAR", generator: torch.Generator | None, adaln_gamma: float) -> None:
    """Fill `var` in place.

    Linear and embedding weights, class tokens, position and level embeddings: truncated normal of standard deviation
    ``√(1 / (3C))``; linear biases 0. Then the published gains: head × 0.02, its modulation × 0.5, a block's modulation
    × 0.5 but the rows that make γ1 and γ2 × `adaln_gamma`, branch outputs ÷ ``√(2 · depth)``;
    ``scale_mul`` = log 4. With shared AdaLN, ``ada_gss`` takes those gains on ``randn / √C``, the shared layer none.

    Args:
        var: Model to fill.
        generator: Source of randomness, on the model's device; None is torch's own.
        adaln_gamma: 1e-5 as published for VAR, 1e-3 in the depth-16 and HIERAMP scripts.
    """
    std = math.sqrt(1 / (3 * var.embed_dim))

    def fill(tensor: torch.Tensor) -> None:
        nn.init.trunc_normal_(tensor, std=std, a=-2, b=2, generator=generator)

    for module in var.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            fill(module.weight)
            if isinstance(module, nn.Linear) and module.bias is not None:
                module.bias.zero_()
    for tensor in (var.pos_start, var.pos_1LC, *var.cls_tokens.values()):
        fill(tensor)
    var.head.weight.mul_(0.02)
    for module in var.modules():
        if isinstance(module, HeadNorm):
            _linear(module.ada_lin).weight.mul_(0.5)
        if isinstance(module, Block):
            module.attn.proj.weight.div_(math.sqrt(2 * var.depth))
            module.ffn.fc2.weight.div_(math.sqrt(2 * var.depth))
            if module.ada_lin is not None:
                _scale_modulation(module.ada_lin, var.embed_dim, adaln_gamma)
            if module.ada_gss is not None:
                nn.init.normal_(module.ada_gss, generator=generator).div_(math.sqrt(var.embed_dim))
                module.ada_gss[:, :, 2:].mul_(0.5)
                module.ada_gss[:, :, :2].mul_(adaln_gamma)


def _scale_modulation(layer: nn.Sequential, embed_dim: int, adaln_gamma: float) -> None:
    """Half the weights, but `adaln_gamma` on the rows that make γ1 and γ2."""
    weight = _linear(layer).weight
    weight[2 * embed_dim :].mul_(0.5)
    weight[: 2 * embed_dim].mul_(adaln_gamma)


def _linear(layer: nn.Sequential) -> nn.Linear:
    """The linear layer of a modulation."""
    (linear,) = (module for module in layer if isinstance(module, nn.Linear))
    return linear
