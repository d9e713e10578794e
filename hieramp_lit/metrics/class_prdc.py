"""Precision, recall, density and coverage within each class.

Legend: ``B`` batch · ``D`` features of an image · ``C`` classes.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from hieramp_lit.metrics.neighbours import BLOCK_SIZE
from hieramp_lit.metrics.prdc import PRDCValues, check_positive, prdc
from hieramp_lit.metrics.rows import RowMetric, check_features, check_labels


class ClassPRDC(RowMetric):
    """`PRDC` of the images of each class against the real images of that class alone.

    A set may cover the data as a whole and miss most of one class: its images are then explained by those of others.
    Values of classes compare at one number of images only, and need more than k of them.

    Args:
        num_features: D.
        num_classes: C.
        precision_recall_k: Neighbours for precision and recall.
        density_coverage_k: Neighbours for density and coverage.
        strict: Leave the sphere out of its ball.
        block_size: Rows and columns of a block of distances.
        count: Called with the number of distances of each block that was measured.

    Raises:
        ValueError: If a number is below 1.
    """

    def __init__(
        self,
        num_features: int,
        num_classes: int,
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
                "num_classes": num_classes,
                "precision_recall_k": precision_recall_k,
                "density_coverage_k": density_coverage_k,
                "block_size": block_size,
            }
        )
        self.num_features = num_features
        self.num_classes = num_classes
        self.precision_recall_k = precision_recall_k
        self.density_coverage_k = density_coverage_k
        self.strict = strict
        self.block_size = block_size
        self._count = count
        for name in ("real", "distilled"):
            self.add_rows(f"{name}_features", torch.empty(0, num_features))
            self.add_rows(f"{name}_labels", torch.empty(0, dtype=torch.int64))

    def update(self, feature_BD: Tensor, label_B: Tensor, real: bool) -> None:
        """Take in the features of a batch.

        Args:
            feature_BD: Shape ``(B, D)``, any float type.
            label_B: cls, int64, shape ``(B,)``.
            real: Whether they are of real images or of the set.

        Raises:
            ValueError: If shapes do not fit, a label is no class, or a feature is NaN or infinite.
        """
        feature_BD = check_features(feature_BD, self.num_features)
        name = "real" if real else "distilled"
        self.keep(f"{name}_features", feature_BD)
        self.keep(f"{name}_labels", check_labels(label_B, self.num_classes, len(feature_BD)))

    def compute(self) -> tuple[PRDCValues | None, ...]:
        """Measure each class; None where it has too few images of either kind for k neighbours."""
        real, distilled = self.rows("real_features"), self.rows("distilled_features")
        places = zip(self._by_class("real"), self._by_class("distilled"), strict=True)
        k, dense_k = self.precision_recall_k, self.density_coverage_k
        return tuple(
            prdc(real[place_N], distilled[place_M], k, dense_k, self.strict, self.block_size, self._count)
            if len(place_N) > max(k, dense_k) and len(place_M) > k
            else None
            for place_N, place_M in places  # one class at a time: all sorted would be a copy of all
        )

    def _by_class(self, name: str) -> tuple[Tensor, ...]:
        """Places of the images of each class."""
        label_N = self.rows(f"{name}_labels")
        counts = torch.bincount(label_N, minlength=self.num_classes).tolist()
        return torch.split(label_N.argsort(stable=True), counts)
