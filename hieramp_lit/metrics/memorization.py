"""How close a set's images are to real ones: whether a generator repeats what it was trained on.

Legend: ``B`` batch · ``D`` features of an image · ``M`` distilled images · ``N`` real images · ``Q`` quantiles.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hieramp_lit.metrics.neighbours import BLOCK_SIZE, SquaredDistances
from hieramp_lit.metrics.rows import RowMetric, check_features

REAL_QUERIES = 10_000


class NearestReal(NamedTuple):
    """The nearest real image of each distilled one.

    Attributes:
        number: Numbers of the distilled images, ascending; M of them.
        nearest: Number of the nearest real image of each, of equals the lowest.
        distance: Distance to it.
        quantiles: As asked for, each in [0, 1].
        real_distances: These quantiles of the distances from a real image to its nearest other.
        shares: For each, the share of distilled images that are that close to a real one or closer, in [0, 1]. About
            the quantile itself if they are new images of the same distribution; far above it if they are copies.
    """

    number: tuple[int, ...]
    nearest: tuple[int, ...]
    distance: tuple[float, ...]
    quantiles: tuple[float, ...]
    real_distances: tuple[float, ...]
    shares: tuple[float, ...]


class NearestRealDistance(RowMetric):
    """Distance of each distilled image to its nearest real one, beside the distances among real images.

    The yardstick is another real image: an image that lies closer to a training image than training images lie to each
    other was hardly made anew. Images that are typical, or blurred, lie close to many and so come out closer than new
    real ones would: look at the pairs before you call them copies. Equal images have distance 0 exactly, and equal real
    ones count as each other's neighbours. Distances are Euclidean; where directions matter, give unit features.

    Images have numbers, so that the result does not depend on ranks and batches, names pairs, and an image that came
    twice is found: fed twice, a real image would be its own neighbour.

    Args:
        num_features: D.
        quantiles: Of the real distances, to compare with, each in [0, 1].
        real_queries: How many real images look for their neighbour among all real ones; evenly spread over their
            numbers if there are more. It bounds the time, M + `real_queries` times N distances.
        block_size: Rows and columns of a block of distances.
        count: Called with the number of distances of each block that was measured.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        num_features: int,
        quantiles: Sequence[float] = (0.05, 0.5),
        real_queries: int = REAL_QUERIES,
        block_size: int = BLOCK_SIZE,
        count: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__()
        if min(num_features, real_queries, block_size) < 1:
            raise ValueError(
                f"num_features={num_features}, real_queries={real_queries} and block_size={block_size} must be at "
                "least 1."
            )
        if not quantiles or not all(0 <= quantile <= 1 for quantile in quantiles):
            raise ValueError(f"quantiles={tuple(quantiles)}: give at least one, each from 0 to 1.")
        self.num_features = num_features
        self.quantiles = tuple(quantiles)
        self.real_queries = real_queries
        self.block_size = block_size
        self._count = count
        for name in ("real", "distilled"):
            self.add_rows(f"{name}_features", torch.empty(0, num_features))
            self.add_rows(f"{name}_numbers", torch.empty(0, dtype=torch.int64))

    def update(self, feature_BD: Tensor, number_B: Tensor, real: bool) -> None:
        """Take in the features of a batch.

        Args:
            feature_BD: Shape ``(B, D)``, any float type.
            number_B: Number of each image in its data set, int64, shape ``(B,)``, none twice.
            real: Whether they are of real images or of the set.

        Raises:
            ValueError: If shapes do not fit, or a feature is NaN or infinite.
        """
        feature_BD = check_features(feature_BD, self.num_features)
        if number_B.shape != (len(feature_BD),) or number_B.dtype != torch.int64:
            raise ValueError(
                f"Numbers of shape {tuple(number_B.shape)} and type {number_B.dtype} received, ({len(feature_BD)},) "
                "and int64 expected: one an image."
            )
        name = "real" if real else "distilled"
        self.keep(f"{name}_features", feature_BD)
        self.keep(f"{name}_numbers", number_B.detach())

    def compute(self) -> NearestReal:
        """Measure.

        Raises:
            ValueError: If there are no distilled images, fewer than two real ones, or an image came twice.
        """
        real_ND, real_number_N = self._in_order("real")
        distilled_MD, number_M = self._in_order("distilled")
        if len(real_ND) < 2 or not len(distilled_MD):
            raise ValueError(
                f"{len(distilled_MD)} distilled and {len(real_ND)} real images were given; at least one "
                "and two are needed."
            )
        measure = SquaredDistances(real_ND, distilled_MD, block_size=self.block_size, count=self._count)
        distance_M, place_M = measure.nearest(distilled_MD, real_ND)
        queries = min(self.real_queries, len(real_ND))
        own = torch.arange(queries, device=real_ND.device) * len(real_ND) // queries
        among_real, _ = measure.nearest(real_ND[own], real_ND, own)
        limits = torch.quantile(among_real, among_real.new_tensor(self.quantiles))
        shares = [float((distance_M <= limit).double().mean()) for limit in limits]
        return NearestReal(
            number=tuple(number_M.tolist()),
            nearest=tuple(real_number_N[place_M].tolist()),
            distance=tuple(distance_M.tolist()),
            quantiles=self.quantiles,
            real_distances=tuple(limits.tolist()),
            shares=tuple(shares),
        )

    def _in_order(self, name: str) -> tuple[Tensor, Tensor]:
        number_N, order = self.rows(f"{name}_numbers").sort()
        twice = number_N[1:][number_N[1:] == number_N[:-1]]
        if len(twice):
            raise ValueError(
                f"{len(twice)} {name} images came more than once, the first is number {int(twice[0])}. Share images "
                "out over ranks without repetition; torch's DistributedSampler repeats some to fill up."
            )
        feature_ND = self.rows(f"{name}_features")
        sorted_before = bool((order[1:] > order[:-1]).all())  # then no copy, which may be gigabytes
        return feature_ND if sorted_before else feature_ND[order], number_N
