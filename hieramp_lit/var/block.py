"""A transformer block with adaptive layer norm, and the norm before the head; names as published.

Legend: ``B`` batch · ``S`` sequence · ``C`` width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hieramp_lit.var.attention import Hook, KeyValueCache, SelfAttention
from hieramp_lit.var.class_tokens import QueryPart
from hieramp_lit.var.packed import PackedLinear

NUM_MODULATIONS = 6
"""γ1 γ2 s1 s2 b1 b2: gains of the two branches, scales and shifts of their norms."""
ROWS = 256
"""Rows that `FeedForward.in_parts` takes at once: 13 % faster than 4112 rows in one go at width 1024 in bfloat16."""
SCALES = slice(2, 4)
"""Where s1 and s2 stand."""


def layer_norm(x_BSC: Tensor) -> Tensor:
    """Layer norm without affine, eps 1e-6."""
    return F.layer_norm(x_BSC, (x_BSC.shape[-1],), eps=1e-6)


def modulation_layer(embed_dim: int, count: int) -> nn.Sequential:
    """SiLU and one linear layer that makes `count` modulations of the condition."""
    return nn.Sequential(nn.SiLU(), nn.Linear(embed_dim, count * embed_dim))


def modulate(layer: nn.Sequential, cond_BC: Tensor, count: int) -> Tensor:
    """Modulations ``(B, 1, count, C)`` from a condition ``(B, C)``, which takes the layer's precision."""
    weight = layer.get_parameter("1.weight")
    y: Tensor = layer(cond_BC.to(weight.dtype)).view(len(cond_BC), 1, count, -1)
    return y


class FeedForward(nn.Module):
    """Linear, GELU (tanh), linear; four times as wide inside."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.fc2 = nn.Linear(4 * embed_dim, embed_dim)
        self._packed: tuple[PackedLinear, PackedLinear] | None = None

    def pack(self) -> None:
        """Take packed copies of the matrices, see `packed`; from now on this module is for generating only."""
        first = PackedLinear(self.fc1.weight, self.fc1.bias, gelu=True)
        self._packed = first, PackedLinear(self.fc2.weight, self.fc2.bias)

    def forward(self, x_BSC: Tensor) -> Tensor:
        """Keep the shape ``(B, S, C)``."""
        if self._packed is not None and x_BSC.device.type == "cpu":
            return self._packed[1](self._packed[0](x_BSC))
        y: Tensor = self.fc2(F.gelu(self.fc1(x_BSC), approximate="tanh"))
        return y

    def in_parts(self, x_BSC: Tensor) -> Tensor:
        """The same without gradients, on a CPU a few rows at a time, so that what is inside stays in its cache.

        A compiler gets it in one go: the loop would make one graph for every number of rows.
        """
        if x_BSC.device.type != "cpu" or torch.compiler.is_compiling():
            return self.forward(x_BSC)
        y = torch.empty_like(x_BSC)
        for part in range(0, x_BSC.shape[0] * x_BSC.shape[1], ROWS):
            rows = slice(part, part + ROWS)
            y.flatten(0, 1)[rows] = self.forward(x_BSC.flatten(0, 1)[rows])
        return y


class Block(nn.Module):
    """``x += γ1·attn(LN(x)(1+s1)+b1)``, then ``x += γ2·ffn(LN(x)(1+s2)+b2)``.

    Args:
        embed_dim: Width, ``C``.
        num_heads: Attention heads.
        attn_l2_norm: See `SelfAttention`.
        shared_aln: Take the modulations from the model's one linear layer, plus the block's own ``ada_gss``.
    """

    def __init__(self, embed_dim: int, num_heads: int, attn_l2_norm: bool, shared_aln: bool) -> None:
        super().__init__()
        self.attn = SelfAttention(embed_dim, num_heads, attn_l2_norm)
        self.ffn = FeedForward(embed_dim)
        self.ada_gss = nn.Parameter(torch.zeros(1, 1, NUM_MODULATIONS, embed_dim)) if shared_aln else None
        self.ada_lin = None if shared_aln else modulation_layer(embed_dim, NUM_MODULATIONS)

    def modulations(self, cond_BC: Tensor, shared_B16C: Tensor | None) -> Tensor:
        """The six modulations of this block, ``(B, 1, 6, C)``, with ``1 + s`` for s; the same at every position."""
        if self.ada_lin is not None:
            modulations = modulate(self.ada_lin, cond_BC, NUM_MODULATIONS)
        elif self.ada_gss is None or shared_B16C is None:
            raise RuntimeError("A block with shared AdaLN needs the model's shared modulations.")
        else:
            modulations = self.ada_gss + shared_B16C
        one_for_scales = torch.zeros(NUM_MODULATIONS, 1, device=cond_BC.device)
        one_for_scales[SCALES] = 1
        return modulations + one_for_scales  # float32 also where the weights are half

    def forward(
        self,
        x_BSC: Tensor,
        modulations_B16C: Tensor,
        mask_SS: Tensor,
        parts: Sequence[QueryPart],
        keep_2B: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Pass the whole teacher-forced sequence.

        Args:
            x_BSC: Tokens.
            modulations_B16C: From `modulations`.
            mask_SS: Who sees whom, see `class_tokens.visibility`.
            parts: Queries to attend together, see `class_tokens.query_parts`.
            keep_2B: Drop-path multipliers of the two branches (0, or 1 / keep probability), per image; None keeps all.

        Returns:
            Tokens after the block, and the attention branch's projected output before γ1 and the residual.
        """
        g1, g2, s1, s2, b1, b2 = modulations_B16C.unbind(2)
        attended = self.attn(layer_norm(x_BSC) * s1 + b1, mask_SS, parts)
        keep_attn, keep_ffn = (1, 1) if keep_2B is None else keep_2B[:, :, None, None]
        x_BSC = x_BSC + attended * g1 * keep_attn
        x_BSC = x_BSC + self.ffn(layer_norm(x_BSC) * s2 + b2) * g2 * keep_ffn
        return x_BSC, attended

    def forward_scale(
        self,
        x_BnC: Tensor,
        modulations_B16C: Tensor,
        cache: KeyValueCache,
        start: int,
        length: int,
        hook: Hook | None,
    ) -> Tensor:
        """Pass the tokens of one scale; arguments as in `SelfAttention.forward_scale`.

        Tokens, norms and modulations stay in float32; the matrices compute in the precision of their weights.
        """
        g1, g2, s1, s2, b1, b2 = modulations_B16C.unbind(2)
        dtype = self.ffn.fc1.weight.dtype
        normed = torch.addcmul(b1, layer_norm(x_BnC), s1).to(dtype)
        x_BnC = torch.addcmul(x_BnC, self.attn.forward_scale(normed, cache, start, length, hook), g1)
        normed = torch.addcmul(b2, layer_norm(x_BnC), s2).to(dtype)
        return torch.addcmul(x_BnC, self.ffn.in_parts(normed), g2)


class HeadNorm(nn.Module):
    """Adaptive layer norm before the token head."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.ada_lin = modulation_layer(embed_dim, 2)

    def modulations(self, cond_BC: Tensor) -> Tensor:
        """Scale and shift, shape ``(B, 1, 2, C)``."""
        return modulate(self.ada_lin, cond_BC, 2)

    def forward(self, x_BSC: Tensor, modulations_B12C: Tensor) -> Tensor:
        """Keep the shape ``(B, S, C)``."""
        scale, shift = modulations_B12C.unbind(2)
        return layer_norm(x_BSC) * (1 + scale) + shift
