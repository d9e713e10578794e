"""Distances between many features, block by block, so that memory does not grow with their product.

Distances are Euclidean, from the differences themselves in float32. The usual way by a matrix product is faster but
rounds with the size of the features, so that a copy is at a distance above 0 and a tie is decided by chance. Here a
pair has the same distance in either order, in every block, and a copy has 0.

Legend: ``D`` features of an image · ``M N`` numbers of features · ``k`` neighbours.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

BLOCK_SIZE = 2048


def blocks(count: int, block_size: int) -> Iterator[slice]:
    """Slices of at most `block_size` that together are ``range(count)``."""
    return (slice(start, min(start + block_size, count)) for start in range(0, count, block_size))


def distances(one_MD: Tensor, other_ND: Tensor) -> Tensor:
    """Distance of every pair, shape ``(M, N)``; relative error about 1e-6."""
    return torch.cdist(one_MD, other_ND, compute_mode="donot_use_mm_for_euclid_dist")


def neighbour_distances(feature_ND: Tensor, k: int, block_size: int = BLOCK_SIZE) -> Tensor:
    """Distances of each to its first k neighbours among the others, ascending, shape ``(N, k)``.

    A feature is not its own neighbour; an equal one of another image is, at distance 0.

    Args:
        feature_ND: Features, float32, shape ``(N, D)``.
        k: Neighbours, from 1 to N − 1.
        block_size: Rows and columns of a block; memory is 4 bytes times its square, a few times.
    """
    found = []
    for rows in blocks(len(feature_ND), block_size):
        best = feature_ND.new_full((rows.stop - rows.start, k), torch.inf)
        for columns in blocks(len(feature_ND), block_size):
            block = distances(feature_ND[rows], feature_ND[columns])
            if rows == columns:
                block.fill_diagonal_(torch.inf)
            best = torch.cat([best, block], dim=1).topk(k, dim=1, largest=False, sorted=True).values
        found.append(best)
    return torch.cat(found)


def nearest(
    query_MD: Tensor, other_ND: Tensor, own_M: Tensor | None = None, block_size: int = BLOCK_SIZE
) -> tuple[Tensor, Tensor]:
    """The nearest of the others.

    Args:
        query_MD: Features to find neighbours for, float32, shape ``(M, D)``.
        other_ND: Features among which to find them, float32, shape ``(N, D)``, N ≥ 1, with `own_M` N ≥ 2.
        own_M: Where the queries themselves lie among the others, int64, shape ``(M,)``; these places do not count.
            None: they are not among them.
        block_size: Rows and columns of a block.

    Returns:
        Distances, float32, shape ``(M,)``, and places in `other_ND`, int64, shape ``(M,)``: of equals the first.
    """
    distance_M = query_MD.new_full((len(query_MD),), torch.inf)
    place_M = torch.zeros(len(query_MD), dtype=torch.int64, device=query_MD.device)
    for rows in blocks(len(query_MD), block_size):
        for columns in blocks(len(other_ND), block_size):
            block = distances(query_MD[rows], other_ND[columns])
            if own_M is not None:
                place = torch.arange(columns.start, columns.stop, device=block.device)
                block.masked_fill_(own_M[rows, None] == place, torch.inf)
            least, where = block.min(dim=1)
            closer = least < distance_M[rows]
            distance_M[rows] = torch.where(closer, least, distance_M[rows])
            place_M[rows] = torch.where(closer, where + columns.start, place_M[rows])
    return distance_M, place_M
