"""Vendi score: how many different images a set is worth.

Legend: ``B`` batch · ``D`` features of an image · ``N`` images.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from hieramp_lit.metrics.rows import RowMetric, check_features, check_labels

CHUNK = 4096


class VendiScores(NamedTuple):
    """Effective numbers of images.

    Attributes:
        overall: Of the whole set, from 1 (all features have one direction) to its number of images (all orthogonal).
        per_class: Of each class; None where a class has no image.
        class_mean: Mean over the classes that have images.
        n: Number of images.
    """

    overall: float
    per_class: tuple[float | None, ...]
    class_mean: float
    n: int


class VendiScore(RowMetric):
    """Vendi score with the cosine kernel (Friedman & Dieng 2022), of order q (Pasarkar & Dieng 2023).

    arXiv:2210.02410 and arXiv:2310.12952. The exponential of the Rényi entropy of order q of the eigenvalues of
    ``K / N``, where ``K`` holds the cosines of all pairs: ``exp(−Σ λ log λ)`` for q = 1, ``(Σ λ^q)^(1 / (1 − q))``
    otherwise, ``1 / max λ`` for q = ∞. A large q counts what is frequent, a small one what is rare too; q = 0 counts
    directions (the rank). Eigenvalues below the rounding error of float64 count as 0. They are those of the smaller of
    ``K`` and the D × D product, so memory never grows with N².

    The score is bounded by D and by N, so compare sets of one size, with the same features. Features behind a ReLU,
    such as a ResNet's, have no negative cosines: their scores are low.

    Args:
        num_features: D.
        num_classes: Number of classes.
        q: Order, from 0 to infinity.

    Raises:
        ValueError: If q is negative or NaN, or a number is below 1.
    """

    def __init__(self, num_features: int, num_classes: int, q: float = 1.0) -> None:
        super().__init__()
        if not q >= 0:
            raise ValueError(f"q={q}: the order of a Vendi score is at least 0.")
        if num_features < 1 or num_classes < 1:
            raise ValueError(f"num_features={num_features} and num_classes={num_classes} must be at least 1.")
        self.num_features = num_features
        self.num_classes = num_classes
        self.q = q
        self.add_rows("features", torch.empty(0, num_features))
        self.add_rows("labels", torch.empty(0, dtype=torch.int64))

    def update(self, feature_BD: Tensor, label_B: Tensor) -> None:
        """Take in the features of a batch.

        Args:
            feature_BD: Shape ``(B, D)``, any float type.
            label_B: cls, int64, shape ``(B,)``.

        Raises:
            ValueError: If shapes do not fit, a label is no class, or features are all 0, NaN or infinite.
        """
        feature_BD = check_features(feature_BD, self.num_features)
        label_B = check_labels(label_B, self.num_classes, len(feature_BD))
        check_directions(feature_BD)
        self.keep("features", feature_BD)
        self.keep("labels", label_B)

    def compute(self) -> VendiScores:
        """Measure.

        Raises:
            ValueError: If there are no images.
        """
        feature_ND, label_N = self.rows("features"), self.rows("labels")
        if not len(feature_ND):
            raise ValueError("There are no images to take a Vendi score of.")
        counts = torch.bincount(label_N, minlength=self.num_classes).tolist()
        by_class = torch.split(feature_ND[label_N.argsort()], counts)
        per_class = tuple(vendi_score(features, self.q) if len(features) else None for features in by_class)
        known = [score for score in per_class if score is not None]
        overall = vendi_score(feature_ND, self.q)
        return VendiScores(overall, per_class, sum(known) / len(known), len(feature_ND))


def vendi_score(feature_ND: Tensor, q: float = 1.0) -> float:
    """Vendi score of features, see `VendiScore`.

    Args:
        feature_ND: Shape ``(N, D)``, N ≥ 1, none all 0.
        q: Order, from 0 to infinity.

    Returns:
        From 1 to the smaller of N and D.
    """
    n, d = feature_ND.shape
    if n <= d:
        unit_ND = unit(feature_ND)
        gram = unit_ND @ unit_ND.T
    else:
        gram = torch.zeros(d, d, dtype=torch.float64, device=feature_ND.device)
        for chunk in map(unit, torch.split(feature_ND, CHUNK)):
            gram.addmm_(chunk.T, chunk)
    eigenvalues = torch.linalg.eigvalsh(gram / n)
    error = max(n, d) * torch.finfo(torch.float64).eps * eigenvalues[-1]
    eigenvalues = eigenvalues[eigenvalues > error]
    if q == 1:
        return float(torch.special.entr(eigenvalues).sum().exp())
    if math.isinf(q):
        return float(1 / eigenvalues[-1])
    # as a sum of logarithms: λ^q alone leaves float64 for a large q
    return float(((q * eigenvalues.log()).logsumexp(dim=0) / (1 - q)).exp())


def unit(feature_ND: Tensor) -> Tensor:
    """Features scaled to length 1, float64; none may be all 0."""
    feature_ND = feature_ND.double()
    length: Tensor = torch.linalg.vector_norm(feature_ND, dim=1, keepdim=True)
    return feature_ND / length


def check_directions(feature_BD: Tensor) -> None:
    """Refuse features without a direction.

    Raises:
        ValueError: If all features of an image are 0.
    """
    zero = (feature_BD == 0).all(dim=1).nonzero().flatten().tolist()
    if zero:
        raise ValueError(
            f"All features of {len(zero)} of {len(feature_BD)} images of a batch are 0, the first at place {zero[0]}: "
            "they have no cosine. Check the feature network's weights and normalization."
        )
