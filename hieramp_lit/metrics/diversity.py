"""How different the images of a class are.

Legend: ``B`` batch · ``C`` classes · ``D`` features of an image.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from hieramp_lit.metrics.rows import check_features, check_labels
from hieramp_lit.metrics.vendi import check_directions, unit


class DiversityValues(NamedTuple):
    """Mean cosine distances within classes.

    Attributes:
        mean: Over the classes that have two images or more, each counting the same; None if there is none (one image a
            class).
        per_class: Of each class: 0 where all features have one direction, at most n / (n − 1) for n images; 1 for
            orthogonal ones. None with fewer than two images.
    """

    mean: float | None
    per_class: tuple[float | None, ...]


class IntraClassDiversity(Metric):
    """Mean of ``1 − cos`` over all pairs of different images of a class.

    Computed from the sum ``s`` of the n unit vectors of a class, since the mean cosine of its pairs is
    ``(‖s‖² − n) / (n (n − 1))``; so the state is one vector a class, summed over batches and ranks. No image may be
    seen twice.

    Args:
        num_features: D.
        num_classes: C.

    Raises:
        ValueError: If a number is below 1.
    """

    full_state_update = False
    sums: Tensor
    count: Tensor

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        if num_features < 1 or num_classes < 1:
            raise ValueError(f"num_features={num_features} and num_classes={num_classes} must be at least 1.")
        self.num_features = num_features
        zeros = torch.zeros(num_classes, num_features, dtype=torch.float64)
        self.add_state("sums", zeros, dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(num_classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, feature_BD: Tensor, label_B: Tensor) -> None:
        """Take in the features of a batch.

        Args:
            feature_BD: Shape ``(B, D)``, any float type.
            label_B: cls, int64, shape ``(B,)``.

        Raises:
            ValueError: If shapes do not fit, a label is no class, or features are all 0, NaN or infinite.
        """
        feature_BD = check_features(feature_BD, self.num_features)
        label_B = check_labels(label_B, len(self.count), len(feature_BD))
        check_directions(feature_BD)
        self.sums = self.sums.index_add(0, label_B, unit(feature_BD))
        self.count = self.count + torch.bincount(label_B, minlength=len(self.count))

    def compute(self) -> DiversityValues:
        """Measure.

        Raises:
            ValueError: If there are no images.
        """
        if not self.count.any():
            raise ValueError("There are no images to measure the diversity of.")
        n = self.count.double()
        cosine = (self.sums.square().sum(dim=1) - n) / (n * (n - 1))
        # rounding may leave equal images a little closer than equal
        distance = (1 - cosine).clamp(min=0).tolist()
        per_class = tuple(value if number > 1 else None for value, number in zip(distance, n.tolist(), strict=True))
        known = [value for value in per_class if value is not None]
        return DiversityValues(sum(known) / len(known) if known else None, per_class)
