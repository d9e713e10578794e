"""Precision, recall, density and coverage of a set against real images.

Legend: ``B`` batch · ``D`` features of an image · ``M`` distilled images · ``N`` real images.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from hieramp_lit.metrics.neighbours import BLOCK_SIZE, SquaredDistances
from hieramp_lit.metrics.rows import RowMetric, check_features


class PRDCValues(NamedTuple):
    """How two sets of features overlap.

    Attributes:
        precision: Share of distilled images that lie in the ball of a real one, in [0, 1].
        recall: Share of real images that lie in the ball of a distilled one, in [0, 1].
        density: Real balls that a distilled image lies in, mean over the images, divided by k: from 0 to N / k, 1 in
            expectation where both are drawn from one distribution.
        coverage: Share of real balls that hold a distilled image, in [0, 1]. Where both are drawn from one continuous
            distribution its expectation is ``1 − (N−1)⋯(N−k) / ((N+M−1)⋯(N+M−k))``.
        real: Number of real images, N.
        distilled: Number of distilled images, M.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    real: int
    distilled: int


class PRDC(RowMetric):
    """Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

    arXiv:1904.06991 and arXiv:2002.09797. The ball of an image reaches to its k-th nearest neighbour in its own set,
    the image itself not counted, equal features of other images counted. By default the sphere belongs to its ball
    (``≤``), as in Kynkäänniemi et al.; `strict` leaves it out (``<``), as the package ``prdc`` does for all four. They
    differ where distances are equal: an image with k copies in its set has a ball of radius 0, which holds copies of it
    by ``≤`` and nothing by ``<``.

    All four depend on the features, on k and on both numbers of images: compare sets of one size against the same real
    images. A set of ten images a class cannot cover thousands of real ones, however good it is; give the coverage of as
    many random real images beside it. Each image costs a row of D floats, kept until `compute`.

    Args:
        num_features: D.
        precision_recall_k: Neighbours for precision and recall; 3 in the paper.
        density_coverage_k: Neighbours for density and coverage; 5 in the paper.
        strict: Leave the sphere out of its ball.
        block_size: Rows and columns of a block of distances.
        count: Called with the number of distances of each block that was measured.

    Raises:
        ValueError: If a number is below 1.
    """

    def __init__(
        self,
        num_features: int,
        precision_recall_k: int = 3,
        density_coverage_k: int = 5,
        strict: bool = False,
        block_size: int = BLOCK_SIZE,
        count: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__()
        check_positive(
            {
                "num_features": num_features,
                "precision_recall_k": precision_recall_k,
                "density_coverage_k": density_coverage_k,
                "block_size": block_size,
            }
        )
        self.num_features = num_features
        self.precision_recall_k = precision_recall_k
        self.density_coverage_k = density_coverage_k
        self.strict = strict
        self.block_size = block_size
        self._count = count
        for name in ("real", "distilled"):
            self.add_rows(name, torch.empty(0, num_features))

    def update(self, feature_BD: Tensor, real: bool) -> None:
        """Take in the features of a batch.

        Args:
            feature_BD: Shape ``(B, D)``, any float type.
            real: Whether they are of real images or of the set.

        Raises:
            ValueError: If the shape is another, or a feature is NaN or infinite.
        """
        self.keep("real" if real else "distilled", check_features(feature_BD, self.num_features))

    def compute(self) -> PRDCValues:
        """Measure.

        Raises:
            ValueError: If there are too few images for k neighbours.
        """
        return prdc(
            self.rows("real"),
            self.rows("distilled"),
            self.precision_recall_k,
            self.density_coverage_k,
            self.strict,
            self.block_size,
            self._count,
        )


def prdc(
    real_ND: Tensor,
    distilled_MD: Tensor,
    precision_recall_k: int = 3,
    density_coverage_k: int = 5,
    strict: bool = False,
    block_size: int = BLOCK_SIZE,
    count: Callable[[int], None] | None = None,
) -> PRDCValues:
    """Precision, recall, density and coverage of features, see `PRDC`.

    Args:
        real_ND: Of real images, float32, shape ``(N, D)``.
        distilled_MD: Of the set's images, float32, shape ``(M, D)``.
        precision_recall_k: Neighbours for precision and recall.
        density_coverage_k: Neighbours for density and coverage.
        strict: Leave the sphere out of its ball.
        block_size: Rows and columns of a block of distances.
        count: Called with the number of distances of each block that was measured.

    Raises:
        ValueError: If there are too few images for k neighbours.
    """
    k, dense_k = precision_recall_k, density_coverage_k
    _check_number("real", len(real_ND), max(k, dense_k))
    _check_number("distilled", len(distilled_MD), k)
    measure = SquaredDistances(real_ND, distilled_MD, block_size=block_size, count=count)
    inside = torch.lt if strict else torch.le
    # what differs by rounding alone is equal
    slack = -measure.tolerance if strict else measure.tolerance
    radii = measure.of_neighbours(real_ND, max(k, dense_k)) + slack
    radius_N, dense_radius_N = radii[:, k - 1], radii[:, dense_k - 1]
    radius_M = measure.of_neighbours(distilled_MD, k)[:, k - 1] + slack
    precise_M = torch.zeros_like(radius_M, dtype=torch.bool)
    recalled_N, covered_N = torch.zeros(2, len(real_ND), dtype=torch.bool, device=real_ND.device)
    memberships = 0
    for rows in measure.blocks(len(real_ND)):
        for columns in measure.blocks(len(distilled_MD)):
            block = measure(real_ND[rows], distilled_MD[columns])
            precise_M[columns] |= inside(block, radius_N[rows, None]).any(dim=0)
            recalled_N[rows] |= inside(block, radius_M[columns]).any(dim=1)
            dense = inside(block, dense_radius_N[rows, None])
            covered_N[rows] |= dense.any(dim=1)
            memberships += int(dense.sum())
    return PRDCValues(
        precision=float(precise_M.double().mean()),
        recall=float(recalled_N.double().mean()),
        density=memberships / (dense_k * len(distilled_MD)),
        coverage=float(covered_N.double().mean()),
        real=len(real_ND),
        distilled=len(distilled_MD),
    )


def check_positive(numbers: Mapping[str, int]) -> None:
    """Refuse arguments below 1.

    Raises:
        ValueError: Naming the first.
    """
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name}={number} must be at least 1.")


def _check_number(kind: str, images: int, k: int) -> None:
    if images <= k:
        raise ValueError(
            f"{images} {kind} images are too few for {k} neighbours each: at least {k + 1} are needed. Give more "
            "images, or lower precision_recall_k or density_coverage_k."
        )
