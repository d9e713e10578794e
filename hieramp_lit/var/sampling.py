"""Guidance, filtering and drawing of tokens: plain functions, each returning a new tensor, in float32 or float64.

Legend: ``B`` batch · ``l`` tokens of one scale · ``V`` codebook size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 64
"""Tokens whose weights `draw` sums at once."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn.

    Args:
        cfg: Strength of classifier-free guidance at the last scale; it rises linearly from 0 at the first. 0 is none.
        top_k: Draw from this many best tokens only; 0 is all, 1 is greedy.
        top_p: Draw from the smallest set of best tokens that holds more than this share of the probability, in
            [0, 1]; 0 is all.

    Raises:
        ValueError: For values out of range.
    """

    cfg: float = 4.0
    top_k: int = 900
    top_p: float = 0.95

    def __post_init__(self) -> None:
        if not 0 <= self.cfg < float("inf"):
            raise ValueError(f"sampling.cfg={self.cfg}: expected 0 (no guidance) or more.")
        if self.top_k < 0:
            raise ValueError(f"sampling.top_k={self.top_k}: expected 0 (all tokens) or more.")
        if not 0 <= self.top_p <= 1:
            raise ValueError(f"sampling.top_p={self.top_p}: expected a probability in [0, 1], 0 for all tokens.")


def guide(conditional_BlV: Tensor, unconditional_BlV: Tensor, strength: float) -> Tensor:
    """Classifier-free guidance, ``(1 + t)·cond − t·uncond``, in float32."""
    return (conditional_BlV.float() * (1 + strength)).sub_(unconditional_BlV.float(), alpha=strength)


def lowest_kept(logits_BlV: Tensor, *, top_k: int, top_p: float) -> Tensor:
    """Score of the worst token that top-k, then top-p keep: one sorted top-k answers both.

    Top-p drops the tail whose ascending cumulative probability is at most ``1 − top_p`` and always keeps the best:
    of (0.5, 0.3, 0.15, 0.05) with ``top_p=0.9``, only 0.05 goes.

    Args:
        logits_BlV: Scores, float32, any shape that ends in the codebook.
        top_k: Tokens to keep; 0 (or more than ``V``) keeps all.
        top_p: Share to keep, in [0, 1]; 0 keeps all.

    Returns:
        One score a position, shape ``(B, l, 1)``. Tokens of this score and of higher ones stay, ties too.
    """
    V = logits_BlV.shape[-1]
    kept = min(top_k, V) if top_k > 0 else V
    if kept == V and top_p == 0:
        return logits_BlV.amin(dim=-1, keepdim=True)
    best = logits_BlV.topk(kept, dim=-1).values  # descending
    if top_p == 0:
        return best[..., -1:]
    ascending = best.softmax(dim=-1).flip(-1).cumsum(dim=-1)
    count = (ascending > 1 - top_p).sum(dim=-1, keepdim=True).clamp_(min=1)
    return best.gather(-1, count - 1)


def filtered_weights(logits_BlV: Tensor, *, top_k: int, top_p: float) -> Tensor:
    """Probabilities after top-k, then top-p, each row up to a factor: the best token has weight 1, dropped ones 0.

    Arguments as for `lowest_kept`; float32, the shape of the input.
    """
    logits = logits_BlV.float()
    dropped = logits < lowest_kept(logits, top_k=top_k, top_p=top_p)
    return (logits - logits.amax(dim=-1, keepdim=True)).exp_().masked_fill_(dropped, 0.0)


def draw(weights_BlV: Tensor, uniforms_Bl: Tensor) -> Tensor:
    """Draw tokens by the inverse cumulative distribution in codebook order, one given uniform number each.

    The sums run in float64, so that what rounding of the logits does to a boundary is all that can move a draw. They
    run over blocks first and then inside the block that was hit, which spares most of them.

    Args:
        weights_BlV: From `filtered_weights`: not negative, each row with a positive sum.
        uniforms_Bl: Numbers in [0, 1), float64.

    Returns:
        Tokens of positive weight, int64, shape ``(B, l)``.
    """
    padded = F.pad(weights_BlV, (0, -weights_BlV.shape[-1] % BLOCK))
    blocks = padded.view(*padded.shape[:-1], -1, BLOCK)
    outer = blocks.sum(dim=-1, dtype=torch.float64).cumsum(dim=-1)
    target = uniforms_Bl.double()[..., None] * outer[..., -1:]
    block = _first_above(outer, target)
    before = F.pad(outer, (1, 0)).gather(-1, block)
    hit = blocks.gather(-2, block[..., None].expand(*block.shape, BLOCK))[..., 0, :]
    inner = _first_above(hit.double().cumsum(dim=-1), target - before)
    return (block * BLOCK + inner)[..., 0]


def _first_above(cumulative: Tensor, target: Tensor) -> Tensor:
    """Index of the first sum above `target`; one that rounding put at the last sum or beyond counts as below it."""
    below_last = torch.nextafter(cumulative[..., -1:], torch.zeros_like(target))
    found: Tensor = torch.searchsorted(cumulative, torch.minimum(target, below_last), right=True)
    return found
