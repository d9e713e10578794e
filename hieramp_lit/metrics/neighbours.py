"""Distances between many features, block by block, so that memory does not grow with their product.

Squared Euclidean distances by a matrix product, in float64 and after a common centre is taken off: in float32 they
would round so that a copy is not at 0 and chance decides between equals. What is left of rounding is far below that of
the float32 features themselves, and a tolerance takes it away: squared distances that differ by less than 1e-12 of the
largest squared length count as equal, those below as 0.

Legend: ``D`` features of an image · ``M N`` numbers of features · ``k`` neighbours.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

BLOCK_SIZE = 2048
TOLERANCE = 1e-12


class SquaredDistances:
    """Measures features block by block.

    Args:
        features: All that will be measured, each float32, shape ``(N, D)``, the first not empty; they give centre and
            tolerance.
        block_size: Rows and columns of a block; memory is 8 bytes times its square, a few times.
        count: Called with the number of distances of each block that was measured.

    Attributes:
        tolerance: Up to which squared distances count as equal.
    """

    def __init__(
        self, *features: Tensor, block_size: int = BLOCK_SIZE, count: Callable[[int], None] | None = None
    ) -> None:
        self.block_size = block_size
        self._count = count
        # part by part: of all at once torch would make a float64 copy first
        sums = [part.sum(dim=0, dtype=torch.float64) for part in torch.split(features[0], block_size)]
        self._centre = torch.stack(sums).sum(dim=0) / len(features[0])
        parts = (self._centred(part) for feature_ND in features for part in torch.split(feature_ND, block_size))
        self.tolerance = TOLERANCE * max(float(part.square().sum(dim=1).max()) for part in parts)

    def __call__(self, one_MD: Tensor, other_ND: Tensor) -> Tensor:
        """Squared distance of every pair of two blocks, float64, shape ``(M, N)``."""
        one_MD, other_ND = self._centred(one_MD), self._centred(other_ND)
        lengths = one_MD.square().sum(dim=1)[:, None] + other_ND.square().sum(dim=1)
        squared = torch.addmm(lengths, one_MD, other_ND.T, alpha=-2)
        if self._count is not None:
            self._count(squared.numel())
        return squared.masked_fill_(squared <= self.tolerance, 0)

    def of_neighbours(self, feature_ND: Tensor, k: int) -> Tensor:
        """Squared distances of each to its first k neighbours among the others, ascending, shape ``(N, k)``.

        A feature is not its own neighbour; an equal one of another image is, at distance 0.

        Args:
            feature_ND: Features, shape ``(N, D)``.
            k: Neighbours, from 1 to N − 1.
        """
        found = []
        for rows in self.blocks(len(feature_ND)):
            best = self._centre.new_full((rows.stop - rows.start, k), torch.inf)
            for columns in self.blocks(len(feature_ND)):
                block = self(feature_ND[rows], feature_ND[columns])
                if rows == columns:
                    block.fill_diagonal_(torch.inf)
                best = torch.cat([best, block], dim=1).topk(k, dim=1, largest=False, sorted=True).values
            found.append(best)
        return torch.cat(found)

    def nearest(self, query_MD: Tensor, other_ND: Tensor, own_M: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The nearest of the others.

        Args:
            query_MD: Features to find neighbours for, shape ``(M, D)``.
            other_ND: Features among which to find them, shape ``(N, D)``, N ≥ 1, with `own_M` N ≥ 2.
            own_M: Where the queries themselves lie among the others, int64, shape ``(M,)``; these places do not count.
                None: they are not among them.

        Returns:
            Distances (not squared) from the differences themselves, float64, shape ``(M,)``, and places in `other_ND`,
            int64, shape ``(M,)``: of equals the first.
        """
        squared_M = self._centre.new_full((len(query_MD),), torch.inf)
        place_M = torch.zeros(len(query_MD), dtype=torch.int64, device=query_MD.device)
        for rows in self.blocks(len(query_MD)):
            for columns in self.blocks(len(other_ND)):
                block = self(query_MD[rows], other_ND[columns])
                if own_M is not None:
                    place = torch.arange(columns.start, columns.stop, device=block.device)
                    block.masked_fill_(own_M[rows, None] == place, torch.inf)
                least = block.amin(dim=1)
                first = (block <= least[:, None] + self.tolerance).byte().argmax(dim=1)
                closer = least < squared_M[rows] - self.tolerance
                squared_M[rows] = torch.where(closer, least, squared_M[rows])
                place_M[rows] = torch.where(closer, first + columns.start, place_M[rows])
        return (query_MD.double() - other_ND[place_M].double()).square().sum(dim=1).sqrt(), place_M

    def blocks(self, count: int) -> Iterator[slice]:
        """Slices of at most `block_size` that together are ``range(count)``."""
        size = self.block_size
        return (slice(start, min(start + size, count)) for start in range(0, count, size))

    def _centred(self, feature_ND: Tensor) -> Tensor:
        return feature_ND.double() - self._centre
