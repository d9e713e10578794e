"""Where class tokens stand in the sequence and who may see whom (HIERAMP, Sec. 3.3, Fig. 2 left).

Under teacher forcing the sequence is: all class tokens, then the spatial tokens, both from coarse to fine. A spatial
token sees the spatial tokens of its own and all coarser scales, and the class token of its own scale. A class token
sees its own scale: the spatial tokens there and itself.

Legend: ``L`` spatial tokens of all scales · ``S`` sequence with class tokens.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hieramp_lit.var.scales import Scales

NUM_FINE_PARTS = 2
"""Scales, from the finest on, that `query_parts` sets apart; they hold six in ten of the tokens at 256²."""


class QueryPart(NamedTuple):
    """Queries that are attended together, since they see about the same keys.

    Attributes:
        start: Place of the first query in the sequence.
        stop: Place behind the last.
        keys: They see none of the keys from this place on.
        mask_rows: Rows of `visibility`, from `start` on, that say what they see of the keys before: all, one if every
            query sees the same, 0 if they see every key.
    """

    start: int
    stop: int
    keys: int
    mask_rows: int


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
        class_token_scales: Scales with a class token, ascending.

    Returns:
        ``scale_S`` (int64) and ``is_class_S`` (bool), both of shape ``(S,)``.
    """
    of_spatial = [k for k, length in enumerate(scales.lengths) for _ in range(length)]
    scale_S = torch.tensor([*class_token_scales, *of_spatial])
    return scale_S, torch.arange(len(scale_S)) < len(class_token_scales)


def query_parts(scales: Scales, class_token_scales: Sequence[int]) -> list[QueryPart]:
    """Cut the teacher-forced sequence so that attention spares most of what the mask would hide.

    The class tokens, the coarser scales together, and each of the finest `NUM_FINE_PARTS` scales: a fine scale sees
    everything before it and its own tokens, so that its mask is one row that hides the other class tokens, and without
    class tokens there is none.

    Args:
        scales: Token maps.
        class_token_scales: Scales with a class token.
    """
    first = len(class_token_scales)
    end = first + scales.total
    parts = [QueryPart(0, first, end, first)] if first else []
    fine = range(max(1, len(scales) - NUM_FINE_PARTS), len(scales))
    start_of_fine = first + scales.slices[fine.start - 1].stop
    parts.append(QueryPart(first, start_of_fine, start_of_fine, start_of_fine - first))
    for k in fine:
        start, stop = first + scales.slices[k].start, first + scales.slices[k].stop
        parts.append(QueryPart(start, stop, stop, min(first, 1)))
    return parts


def visibility(scale_S: Tensor, is_class_S: Tensor) -> Tensor:
    """Who sees whom: bool, shape ``(S, S)``, True where the query (row) sees the key (column)."""
    query, key = scale_S[:, None], scale_S[None, :]
    to_spatial = torch.where(is_class_S[:, None], query == key, query >= key)
    return torch.where(is_class_S[None, :], query == key, to_spatial)
