"""How spread a class token's attention is over the positions of its scale."""

import math

import numpy as np

from hieramp_lit.analysis.saliency.grids import Map, square_side


def map_entropy(map_hw: Map) -> float:
    """Shannon entropy of a map, in nats: 0 where all attention is on one position, ``ln(side²)`` where it is even.

    Args:
        map_hw: A map on its own grid, not negative; scaled to sum to 1 here.

    Raises:
        ValueError: If it is no such map.
    """
    square_side(map_hw)
    share = map_hw[map_hw > 0] / map_hw.sum()
    return max(0.0, float(-(share * np.log(share)).sum()))


def entropy_share(map_hw: Map) -> float | None:
    """Entropy of a map as share of the highest that its scale can have, so that scales compare; in [0, 1].

    Args:
        map_hw: As for `map_entropy`.

    Returns:
        ``entropy / ln(side²)``; None for the single position of a map of side 1.

    Raises:
        ValueError: If it is no such map.
    """
    return share_of_highest(map_entropy(map_hw), len(map_hw))


def share_of_highest(entropy: float, side: int) -> float | None:
    """What `entropy_share` answers, of an entropy that is known.

    Args:
        entropy: In nats.
        side: Of the map.
    """
    return None if side == 1 else min(1.0, entropy / math.log(side * side))
