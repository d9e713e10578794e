"""Guidance, filtering and drawing of tokens: plain functions, each returning a new tensor, in float32 or float64.

Legend: ``B`` batch · ``l`` tokens of one scale · ``V`` codebook size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


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
    return (1 + strength) * conditional_BlV.float() - strength * unconditional_BlV.float()


def filtered_probabilities(logits_BlV: Tensor, *, top_k: int, top_p: float) -> Tensor:
    """Softmax after top-k, then top-p.

    Top-p drops the tail whose ascending cumulative probability is at most ``1 − top_p`` and always keeps the best:
    of (0.5, 0.3, 0.15, 0.05) with ``top_p=0.9``, only 0.05 goes.

    Args:
        logits_BlV: Scores, any shape that ends in the codebook.
        top_k: Tokens to keep; 0 (or more than ``V``) keeps all. Ties with the last kept stay.
        top_p: Share to keep, in [0, 1]; 0 keeps all.

    Returns:
        Probabilities that sum to 1, float32, the shape of the input.
    """
    logits = logits_BlV.float()
    if 0 < top_k < logits.shape[-1]:
        worst_kept = logits.topk(top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < worst_kept, -torch.inf)
    if top_p > 0:
        ascending, order = logits.sort(dim=-1)
        tail = ascending.softmax(dim=-1).cumsum(dim=-1) <= 1 - top_p
        tail[..., -1] = False
        logits = logits.masked_fill(tail.scatter(-1, order, tail), -torch.inf)
    return logits.softmax(dim=-1)


def draw(probabilities_BlV: Tensor, uniforms_Bl: Tensor) -> Tensor:
    """Draw tokens by the inverse cumulative distribution, one given uniform number each.

    The sum runs in float64, so that what rounding of the logits does to a boundary is all that can move a draw.

    Args:
        probabilities_BlV: From `filtered_probabilities`.
        uniforms_Bl: Numbers in [0, 1), float64.

    Returns:
        Tokens of positive probability, int64, shape ``(B, l)``.
    """
    cumulative = probabilities_BlV.double().cumsum(dim=-1)
    cumulative = cumulative / cumulative[..., -1:]
    drawn: Tensor = torch.searchsorted(cumulative, uniforms_Bl.double()[..., None].contiguous(), right=True)[..., 0]
    return drawn
