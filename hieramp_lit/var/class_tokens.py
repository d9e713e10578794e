"""Where class tokens stand in the sequence and who may see whom (HIERAMP, Sec. 3.3, Fig. 2 left).

Under teacher forcing the sequence is: tokens of scale 0, class token of scale 0, tokens of scale 1, … A spatial token
sees the spatial tokens of its own and all coarser scales, and the class token of its own scale. A class token sees its
own scale: the spatial tokens there and itself.

Legend: ``L`` spatial tokens of all scales · ``S`` sequence with class tokens.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hieramp_lit.var.scales import Scales


def check_class_token_scales(class_token_scales: Sequence[int], scales: Scales) -> tuple[int, ...]:
    """Sort and check the scales that carry a class token.

    Raises:
        ValueError: For a scale that does not exist or is named twice.
    """
    chosen = tuple(sorted(class_token_scales))
    if len(set(chosen)) != len(chosen) or any(not 0 <= k < len(scales) for k in chosen):
        raise ValueError(
            f"class_token_scales={list(class_token_scales)}: expected different scales from 0 to {len(scales) - 1}."
        )
    return chosen


def sequence_layout(scales: Scales, class_token_scales: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Scale and kind of each position of the teacher-forced sequence.

    Args:
        scales: Token maps.
        class_token_scales: Scales with a class token.

    Returns:
        ``scale_S`` (int64) and ``is_class_S`` (bool), both of shape ``(S,)``.
    """
    scale: list[int] = []
    is_class: list[bool] = []
    for k, length in enumerate(scales.lengths):
        own = [False] * length + [True] * (k in class_token_scales)
        scale += [k] * len(own)
        is_class += own
    return torch.tensor(scale), torch.tensor(is_class)


def visibility(scale_S: Tensor, is_class_S: Tensor) -> Tensor:
    """Who sees whom: bool, shape ``(S, S)``, True where the query (row) sees the key (column)."""
    query, key = scale_S[:, None], scale_S[None, :]
    to_spatial = torch.where(is_class_S[:, None], query == key, query >= key)
    return torch.where(is_class_S[None, :], query == key, to_spatial)
