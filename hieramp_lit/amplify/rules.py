"""How salient keys are emphasized: a bias before the softmax, or a factor behind it.

Legend: ``B`` batch (2 × images under guidance) · ``l`` tokens of one scale.
"""

import math

import torch
from torch import Tensor

from hieramp_lit.amplify.schedule import Rule
from hieramp_lit.var import Emphasis


def emphasize(salient_Bl: Tensor, beta: float, rule: Rule, renormalize: bool) -> Emphasis:
    """Emphasis of the salient keys of one scale, for every query of that scale.

    Args:
        salient_Bl: Salient positions, bool.
        beta: Added to their logits (`logit_bias`, Eq. 10), or the factor on their weights (`post_softmax`).
        rule: See `Amplification`.
        renormalize: With `post_softmax`: weights ``w_j f_j / Σ w f`` are the softmax of ``logit_j + ln f_j``, so the
            factor becomes a bias of its logarithm.
    """
    if rule == "post_softmax" and not renormalize:
        return Emphasis(factor=torch.where(salient_Bl, beta, 1.0))
    bias = beta if rule == "logit_bias" else (math.log(beta) if beta > 0 else -math.inf)
    return Emphasis(bias=torch.where(salient_Bl, bias, 0.0))
