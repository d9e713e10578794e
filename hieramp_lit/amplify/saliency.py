"""Which positions of a scale its class token finds salient (HIERAMP, Eq. 5-9, Algorithm 1).

Legend: ``B`` batch (2 × images under guidance) · ``l`` tokens of one scale · ``H`` heads · ``D`` head width.
"""

import math

import torch
from torch import Tensor

from hieramp_lit.amplify.schedule import Rounding


def class_token_saliency(query_BH1D: Tensor, keys_BHlD: Tensor, softmax_scale: float) -> Tensor:
    """Mean over heads of the class token's attention to the spatial keys of its scale, in float32.

    The softmax runs over the scale's spatial keys alone (Algorithm 1 and the released code; Eq. 5 also counts the class
    token's own key).

    Returns:
        Shape ``(B, l)``; each row sums to 1.
    """
    with torch.autocast(query_BH1D.device.type, enabled=False):
        logits_BHl = (query_BH1D.float() @ keys_BHlD.float().transpose(2, 3))[:, :, 0] * softmax_scale
        return logits_BHl.softmax(dim=-1).mean(dim=1)


def salient_count(rho: float, length: int, rounding: Rounding) -> int:
    """Number of salient positions: ``max(1, round(ρ·l))`` or with floor; 0 for ρ = 0.

    The product is first rounded to nine digits, so that 0.29 of 100 positions is 29 under `floor` too.
    """
    if rho == 0:
        return 0
    product = round(rho * length, 9)
    return max(1, round(product) if rounding == "round" else math.floor(product))


def salient_positions(saliency_Bl: Tensor, count: int) -> Tensor:
    """The `count` highest positions of each row, bool, shape ``(B, l)``; of equal ones the first."""
    order = saliency_Bl.argsort(dim=-1, descending=True, stable=True)
    chosen = torch.zeros_like(saliency_Bl, dtype=torch.bool)
    return chosen.scatter(-1, order[:, :count], True)
