"""Self-attention of VAR: teacher-forced with a mask, and one scale at a time over a key/value cache.

Legend: ``B`` batch (2 × images under guidance) · ``S`` sequence · ``l`` spatial tokens of one scale · ``H`` heads ·
``D`` head width · ``C`` width.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hieramp_lit.var.class_tokens import QueryPart
from hieramp_lit.var.packed import PackedLinear


class Emphasis(NamedTuple):
    """How one scale's spatial keys are emphasized in one block; applied to every query of that scale.

    Attributes:
        bias: Added to the attention logits of those keys before the softmax, shape ``(B, l)``; or None.
        factor: Multiplies the attention weights of those keys after the softmax, without renormalizing, shape
            ``(B, l)``; or None. Weights times a factor are values times that factor, which is how it is computed.
    """

    bias: Tensor | None = None
    factor: Tensor | None = None


MOST_LOGITS = 2**22
"""Attention logits held at once by `_products`: more would leave the processor's cache."""

CARRIERS = 3
"""Dimensions that carry a bias, see `carry_bias`."""
ALIGNMENT = 8
"""Head widths of the fast kernels are multiples of this."""

Hook = Callable[[Tensor, Tensor, float], Emphasis | None]
"""Takes the class token's query ``(B, H, 1, D)``, the scale's spatial keys ``(B, H, l, D)`` and the softmax scale."""


class KeyValueCache(NamedTuple):
    """Keys and values of one block, preallocated; a value that is passed along.

    The last slot serves the class token of the current scale: the next scale's spatial tokens overwrite it, so it is
    never seen by another scale.

    Attributes:
        keys: Shape ``(B, H, L + 1, D)``.
        values: Like `keys`.
    """

    keys: Tensor
    values: Tensor


class SelfAttention(nn.Module):
    """Multi-head self-attention with the published parametrization.

    One bias-free matrix for queries, keys and values, learned biases for queries and values, none for keys. With
    `l2_norm`, queries and keys are unit vectors and queries are scaled per head by ``exp(min(scale_mul, log 100))``.

    Args:
        embed_dim: Width, ``C``.
        num_heads: Heads, ``H``; divides `embed_dim`.
        l2_norm: Normalize queries and keys (all published weights do).
    """

    zero_k_bias: Tensor
    MAX_LOG_SCALE = math.log(100)

    def __init__(self, embed_dim: int, num_heads: int, l2_norm: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.l2_norm = l2_norm
        self.softmax_scale = 1.0 if l2_norm else 0.25 / math.sqrt(self.head_dim)
        if l2_norm:
            self.scale_mul_1H11 = nn.Parameter(torch.full((1, num_heads, 1, 1), math.log(4.0)))
        self.mat_qkv = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(embed_dim))
        self.v_bias = nn.Parameter(torch.zeros(embed_dim))
        self.register_buffer("zero_k_bias", torch.zeros(embed_dim))
        self.proj = nn.Linear(embed_dim, embed_dim)
        self._packed: tuple[PackedLinear, PackedLinear] | None = None

    def pack(self) -> None:
        """Take packed copies of the matrices, see `packed`; from now on this module is for generating only."""
        bias = torch.cat([self.q_bias, self.zero_k_bias, self.v_bias])
        self._packed = PackedLinear(self.mat_qkv.weight, bias), PackedLinear(self.proj.weight, self.proj.bias)

    def forward(self, x_BSC: Tensor, mask_SS: Tensor, parts: Sequence[QueryPart]) -> Tensor:
        """Attend over the whole teacher-forced sequence, part by part: keys that no query of a part sees cost nothing.

        Measured forward and backward on one core of an AMD EPYC (Zen 4), depth 16, 256², batch 1 and 4, a Boolean mask
        for the whole being 1.00: the mask as floats 1.01; in parts 0.77 in float32 and 0.79 in bfloat16; finer parts no
        less. Matrix products with a softmax between, in parts: 0.95 to 1.3 in float32, 0.56 in bfloat16, where they
        round the logits and keep all weights for the backward pass. Not measured on a GPU, where a mask shuts out the
        flash kernel: the finest scales of plain VAR need none, those with class tokens one row, and a mask of all rows
        is left for the coarser scales alone.

        Args:
            x_BSC: Normalized and modulated tokens.
            mask_SS: Bool, True where the query (row) sees the key (column).
            parts: Queries to take together, in order, see `class_tokens.query_parts`.

        Returns:
            Projected output, shape ``(B, S, C)``.
        """
        q, k, v = self._project(x_BSC)
        attended = []
        for part in parts:
            mask = mask_SS[part.start : part.start + part.mask_rows, : part.keys] if part.mask_rows else None
            y_BHsD = F.scaled_dot_product_attention(
                q[:, :, part.start : part.stop],
                k[:, :, : part.keys],
                v[:, :, : part.keys],
                attn_mask=mask,
                scale=self.softmax_scale,
            )
            attended.append(y_BHsD.transpose(1, 2).flatten(2))
        y: Tensor = self.proj(torch.cat(attended, dim=1))
        return y

    def forward_scale(self, x_BnC: Tensor, cache: KeyValueCache, start: int, length: int, hook: Hook | None) -> Tensor:
        """Attend from one scale's tokens to themselves and to the cached coarser scales.

        Two calls, one per kind of query, spare a mask: spatial queries see every key up to here, the class token's
        query sees its own scale only.

        Args:
            x_BnC: The scale's ``l`` spatial tokens, then its class token if it has one (``n = l`` or ``l + 1``).
            cache: The block's own; holds the coarser scales at ``[0, start)``; this scale is written behind them.
            start: Position of the scale's first token.
            length: Spatial tokens of the scale, ``l``.
            hook: Says how to emphasize this scale's keys, from the class token's query and these keys; or None.

        Returns:
            Projected output, shape ``(B, n, C)``.
        """
        q, k, v = self._project(x_BnC)
        middle, end = start + length, start + x_BnC.shape[1]
        cache.keys[:, :, start:end] = k
        cache.values[:, :, start:end] = v
        keys, values = cache.keys[:, :, :end], cache.values[:, :, :end]
        emphasis = None
        if hook is not None and end > middle:
            emphasis = hook(q[:, :, length:], keys[:, :, start:middle], self.softmax_scale)
        if emphasis is not None and emphasis.factor is not None:
            emphasized = v[:, :, :length] * emphasis.factor[:, None, :, None].to(v.dtype)
            values = torch.cat([values[:, :, :start], emphasized, values[:, :, middle:]], dim=2)
        bias = None if emphasis is None else emphasis.bias
        y = self._attend(q[:, :, :length], keys, values, bias, start)
        if end > middle:
            own = self._attend(q[:, :, length:], keys[:, :, start:], values[:, :, start:], bias, 0)
            y = torch.cat([y, own], dim=2)
        return self._merge(y)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, bias_Bl: Tensor | None, start: int) -> Tensor:
        """Attention with `bias_Bl` on the keys from `start` on; other keys keep their logits.

        The bias is a mask of one row for all heads and queries, in float32 (bfloat16 would round β = 5.3 to 5.3125).
        On the CPU it costs nothing (2 × 16 heads × 256 queries × 680 keys: 18.5 ms with it, 18.7 ms without). In half
        precision on a GPU a mask would have to be rounded, and rules out the flash kernel: there the bias travels in
        dimensions that queries and keys get besides, see `carry_bias`. It concerns one block in sixteen; what it costs
        on a GPU has not been measured.
        """
        bias = None
        if bias_Bl is not None:
            bias = F.pad(bias_Bl, (start, k.shape[2] - start - bias_Bl.shape[1]))
        half = q.dtype in (torch.bfloat16, torch.float16)
        if half and bias is not None and q.device.type != "cpu":
            wide = carry_bias(q, k, v, bias / self.softmax_scale)
            return F.scaled_dot_product_attention(*wide, scale=self.softmax_scale)[..., : q.shape[-1]]
        mask = None if bias is None else bias[:, None, None, :]
        if q.dtype == torch.bfloat16 and q.device.type == "cpu":
            return _products(q, k, v, mask, self.softmax_scale)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=self.softmax_scale)

    def _project(self, x_BSC: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        B, S, _ = x_BSC.shape
        if self._packed is not None and x_BSC.device.type == "cpu":
            qkv = self._packed[0](x_BSC)
        else:
            bias = torch.cat([self.q_bias, self.zero_k_bias, self.v_bias])
            qkv = F.linear(x_BSC, self.mat_qkv.weight, bias)
        q, k, v = qkv.view(B, S, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4).unbind(0)
        if self.l2_norm:
            q = _unit(q, self.scale_mul_1H11.clamp_max(self.MAX_LOG_SCALE).exp())
            k = _unit(k, 1.0)
        return q, k, v

    def _merge(self, y_BHSD: Tensor) -> Tensor:
        y_BSC = y_BHSD.transpose(1, 2).flatten(2)
        packed = self._packed is not None and y_BSC.device.type == "cpu"
        y: Tensor = self._packed[1](y_BSC) if self._packed is not None and packed else self.proj(y_BSC)
        return y


def _unit(x_BHSD: Tensor, scale: Tensor | float) -> Tensor:
    """Vectors of length `scale`. The length is taken in float32: a rounded one would scale all logits of a query."""
    length = torch.linalg.vector_norm(
        x_BHSD, dim=-1, keepdim=True, dtype=torch.promote_types(x_BHSD.dtype, torch.float32)
    )
    unit: Tensor = (x_BHSD * (scale / length.clamp_min(1e-12))).to(x_BHSD.dtype)
    return unit


def carry_bias(q_BHnD: Tensor, k_BHSD: Tensor, v_BHSD: Tensor, bias_BS: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of which plain attention gives what `bias_BS` on the logits would give.

    A query gets ones in `CARRIERS` more dimensions, and its keys the bias there, as a sum of numbers in half precision,
    each what the ones before leave over: three times 8 bits of bfloat16 are a float32. Kernels add products up in
    float32. Values get zeros, since kernels want one width; there are eight dimensions more, for their alignment.

    Args:
        q_BHnD: Queries in half precision.
        k_BHSD: Keys, likewise.
        v_BHSD: Values, likewise.
        bias_BS: What to add to ``q · k`` at each key, float32.
    """
    ones = q_BHnD.new_ones(*q_BHnD.shape[:3], CARRIERS)
    parts, rest = [], bias_BS
    for _ in range(CARRIERS):
        parts.append(rest.to(k_BHSD.dtype))
        rest = rest - parts[-1]
    carried = torch.stack(parts, dim=-1)[:, None].expand(*k_BHSD.shape[:3], CARRIERS)
    spare = ALIGNMENT - CARRIERS
    return (
        F.pad(torch.cat([q_BHnD, ones], dim=-1), (0, spare)),
        F.pad(torch.cat([k_BHSD, carried], dim=-1), (0, spare)),
        F.pad(v_BHSD, (0, ALIGNMENT)),
    )


def _products(q_BHnD: Tensor, k_BHSD: Tensor, v_BHSD: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Attention as two matrix products, a few batch rows at a time.

    For bfloat16 on the CPU, where scaled_dot_product_attention has no kernel that multiplies in bfloat16: 8.9 ms
    against 19.6 ms for 2 × 16 heads × 256 queries × 680 keys on one core with AVX512-BF16.
    """
    y = torch.empty_like(q_BHnD)
    rows = max(1, MOST_LOGITS // (q_BHnD.shape[1] * q_BHnD.shape[2] * k_BHSD.shape[2]))
    for start in range(0, len(q_BHnD), rows):
        part = slice(start, start + rows)
        logits = (q_BHnD[part] * scale) @ k_BHSD[part].transpose(2, 3)
        weights = logits.softmax(dim=-1) if mask is None else (logits + mask[part]).softmax(dim=-1).to(logits.dtype)
        torch.matmul(weights, v_BHSD[part], out=y[part])
    return y
