"""Saliency maps of many blocks and scales as one array per image.

Legend: ``B`` images · ``K`` scales · ``l`` tokens of one scale · ``P`` side of the finest scale.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import interpolate


def stack_saliency(saliency: Mapping[tuple[int, int], Tensor]) -> Tensor:
    """Keep the last block's maps of the conditional half, and bring every scale to the side of the finest.

    Args:
        saliency: ``{(block, scale): (2B, l) float}``, conditional half first, as generators record it.

    Returns:
        float16, shape ``(B, K, P, P)``, on the CPU. K counts to the last scale with a map, P is the side of the finest
        one; enlarging repeats values (nearest neighbour). Scales without a map, which have no class token, are NaN:
        zero would say that the class token attends to nothing.

    Raises:
        ValueError: If there are no maps.
    """
    if not saliency:
        raise ValueError(
            "save_saliency asks for saliency maps, but the generator recorded none: they come from class tokens, so "
            "give a checkpoint that has them, or set model.save_saliency to false."
        )
    last = max(block for block, _ in saliency)
    maps = {scale: map_2Bl for (block, scale), map_2Bl in saliency.items() if block == last}
    sides = {scale: math.isqrt(map_2Bl.shape[1]) for scale, map_2Bl in maps.items()}
    B = next(iter(maps.values())).shape[0] // 2
    P = max(sides.values())
    stacked = torch.full((B, max(maps) + 1, P, P), math.nan, dtype=torch.float16)
    for scale, map_2Bl in maps.items():
        map_B1ll = map_2Bl[:B].reshape(B, 1, sides[scale], sides[scale]).float()
        stacked[:, scale] = interpolate(map_B1ll, size=(P, P), mode="nearest")[:, 0].to("cpu", torch.float16)
    return stacked
