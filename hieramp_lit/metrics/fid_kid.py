"""FID and KID with the features of any network: torchmetrics' classes, made safe.

What torchmetrics does otherwise: a network of one's own goes into training mode along with whatever holds the
metric, `normalize` has no effect on it, and its size is guessed or read from `num_features`, which in timm's networks
is not what they answer. FID fails on a rank without images. KID's ranks wait for ever when they saw different numbers
of batches, and each draws other subsets, of features that it would need in float64 all at once.

Legend: ``B`` batch · ``D`` features of an image.
"""

from collections.abc import Callable
from typing import NamedTuple
from warnings import catch_warnings, filterwarnings

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance, poly_mmd

from hieramp_lit.metrics.rows import RowMetric, check_features
from hieramp_lit.seeds import stream

_ROWS = 4096


class FID(FrechetInceptionDistance):
    """Fréchet distance of real and distilled features (Heusel et al. 2017, arXiv:1706.08500).

    ``‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½)`` with covariances over n − 1, in float64.

    Comparable with papers: only with Inception's 2048 pooled features, of the original TensorFlow weights and resizing
    (`inception`), on as many images and against the same reference. The features of another network have another scale:
    compare ``fid@resnet18`` with ``fid@resnet18`` of the very same weights, as many
    images and the same reference. FID is biased upwards by small samples: with D images or fewer (ten a class of ten
    classes are 100, a ResNet-18 has 512 features) the covariance lacks rank and the bias exceeds what sets differ by.
    Then read KID and coverage.

    Args:
        feature: Network that maps what `update` gets to features, shape ``(B, D)``; resizing and normalizing are its
            business. `GivenFeatures` if there are features already.
        num_features: D.
        name: Of the features, for the metric's key.

    Raises:
        ValueError: If the name is empty or holds ``@`` or spaces, or D is below 1.
    """

    def __init__(self, feature: nn.Module, num_features: int, name: str) -> None:
        super().__init__(feature=_CheckedFeatures(feature, num_features))
        self.key = metric_key("fid", name)

    def update(self, imgs: Tensor, real: bool) -> None:
        """Take in a batch.

        Args:
            imgs: What the feature network takes, B images first.
            real: Whether they are real or of the set.

        Raises:
            ValueError: If the network answers another shape, NaN or infinity.
        """
        if len(imgs):
            super().update(imgs, real)

    def compute(self) -> Tensor:
        """The distance, a float64 scalar of at least 0, save rounding.

        Raises:
            ValueError: If there are fewer than two images of a kind.
        """
        real, distilled = int(self.real_features_num_samples), int(self.fake_features_num_samples)
        if min(real, distilled) < 2:
            raise ValueError(
                f"{self.key}: {real} real and {distilled} distilled images; two of each are needed at least."
            )
        # torchmetrics takes the type from the last batch, and a rank may have had none
        self.orig_dtype = torch.float64
        return super().compute()


class KIDValues(NamedTuple):
    """Squared maximum mean discrepancy over subsets.

    Attributes:
        mean: Unbiased, so it is around 0, also below, for two samples of one distribution.
        std: Over the subsets, population formula; no error bar of the mean, whose subsets share images.
    """

    mean: float
    std: float


class KID(KernelInceptionDistance, RowMetric):
    """Kernel distance of real and distilled features (Bińkowski et al. 2018, arXiv:1801.01401).

    Kernel ``(xᵀy / D + 1)³``, in float64. Subsets are drawn by a seed, from features in an order of their own, so that
    they do not depend on ranks and batches; only a subset at a time is held in float64.

    Comparable with papers: only with Inception's 2048 features (`inception`) against the same reference; the mean's
    expectation depends neither on the number of images nor on the size of subsets, which makes it the better one of the
    two for small sets. Papers often give it times 1000. ``kid@resnet18`` compares with ``kid@resnet18`` of the very
    same weights alone. With as many images in a subset as there are of both kinds, all subsets are equal and their
    deviation is 0.

    Args:
        feature: Network that maps what `update` gets to features, shape ``(B, D)``; resizing and normalizing are its
            business. `GivenFeatures` if there are features already.
        num_features: D.
        name: Of the features, for the metric's key.
        subsets: Number of subsets; 100 in the paper.
        subset_size: Images of each kind in a subset, at least 2; 1000 in the paper. At most as many as there are.
        seed: Of the subsets.
        count: Called with 0 before the first subset, and with 1 for each that was compared.

    Raises:
        ValueError: If the name is empty or holds ``@`` or spaces, or a number is out of range.
    """

    def __init__(
        self,
        feature: nn.Module,
        num_features: int,
        name: str,
        subsets: int = 100,
        subset_size: int = 1000,
        seed: int = 0,
        count: Callable[[int], None] | None = None,
    ) -> None:
        if subset_size < 2 or subsets < 1:
            raise ValueError(f"subsets={subsets} must be at least 1 and subset_size={subset_size} at least 2.")
        with catch_warnings():
            filterwarnings("ignore", message="Metric `Kernel Inception Distance` will save all extracted features")
            super().__init__(feature=_CheckedFeatures(feature, num_features), subsets=subsets, subset_size=subset_size)
        self.key = metric_key("kid", name)
        self.seed = seed
        self._count = count
        # anew, as rows that are gathered whole: by torchmetrics' way ranks must have had equally many batches
        for state in ("real_features", "fake_features"):
            self.add_rows(state, torch.empty(0, num_features))

    def update(self, imgs: Tensor, real: bool) -> None:
        """Take in a batch.

        Args:
            imgs: What the feature network takes, B images first.
            real: Whether they are real or of the set.

        Raises:
            ValueError: If the network answers another shape, NaN or infinity.
        """
        if len(imgs):
            super().update(imgs, real)

    def compute(self) -> KIDValues:  # type: ignore[override]  # the same two values, with names, as plain numbers
        """Measure.

        Raises:
            ValueError: If there are fewer images of a kind than a subset has.
        """
        real, distilled = self.rows("real_features"), self.rows("fake_features")
        if min(len(real), len(distilled)) < self.subset_size:
            raise ValueError(
                f"{self.key}: {len(real)} real and {len(distilled)} distilled images; a subset has "
                f"subset_size={self.subset_size} of each. Lower it, or give more images."
            )
        draws, of_real, of_distilled = stream("kid", self.seed), _order(real), _order(distilled)
        count, found = self._count or _uncounted, []
        count(0)
        for _ in range(self.subsets):
            pair = self._subset(real, of_real, draws), self._subset(distilled, of_distilled, draws)
            found.append(poly_mmd(*pair, self.degree, self.gamma, self.coef))
            count(1)
        scores = torch.stack(found)
        return KIDValues(float(scores.mean()), float(scores.std(unbiased=False)))

    def _subset(self, feature_ND: Tensor, order_N: Tensor, draws: torch.Generator) -> Tensor:
        chosen = torch.randperm(len(order_N), generator=draws)[: self.subset_size]
        return feature_ND[order_N[chosen.to(order_N.device)]].double()


def _uncounted(subsets: int) -> None:
    """Nobody asks."""


def metric_key(metric: str, features: str) -> str:
    """Name of a metric with that of its features: ``kid@resnet18``.

    Raises:
        ValueError: If the features' name is empty or holds ``@`` or spaces.
    """
    if not features or "@" in features or any(character.isspace() for character in features):
        raise ValueError(f"{features!r} cannot name features: give a name without @ and spaces, such as resnet18.")
    return f"{metric}@{features}"


class _CheckedFeatures(nn.Module):
    """A feature network in eval mode, whose answers are looked at."""

    def __init__(self, network: nn.Module, num_features: int) -> None:
        super().__init__()
        if num_features < 1:
            raise ValueError(f"num_features={num_features} must be at least 1.")
        self.network = network
        self.num_features = num_features
        self.eval()

    def train(self, mode: bool = True) -> "_CheckedFeatures":
        return super().train(False)

    def forward(self, imgs: Tensor) -> Tensor:
        return check_features(self.network(imgs), self.num_features)


def _order(feature_ND: Tensor) -> Tensor:
    """Places of the rows in an order that depends on nothing but the rows; float64, a few rows at a time."""
    direction = torch.rand(feature_ND.shape[1], dtype=torch.float64, generator=stream("kid-order"))
    direction = direction.to(feature_ND.device)
    # a sum along each row, no matrix product, whose rounding depends on a row's place
    along = [(rows.double() * direction).sum(dim=1) for rows in torch.split(feature_ND, _ROWS)]
    return torch.cat(along).argsort(stable=True)
