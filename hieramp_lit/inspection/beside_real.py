"""The metrics of one feature network that compare the images of a set with real ones.

Legend: ``B`` batch · ``C`` classes · ``D`` features · ``M`` images of the set · ``N`` real images.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from hieramp_lit.inspection.findings import Findings
from hieramp_lit.inspection.networks import FeatureNetwork
from hieramp_lit.inspection.settings import Settings
from hieramp_lit.metrics.class_prdc import ClassPRDC
from hieramp_lit.metrics.feature_network import GivenFeatures
from hieramp_lit.metrics.fid_kid import FID, KID, metric_key
from hieramp_lit.metrics.memorization import REAL_QUERIES, NearestReal, NearestRealDistance
from hieramp_lit.metrics.prdc import PRDC

PRDC_NAMES = ("precision", "recall", "density", "coverage")
NEAREST_NAMES = ("mean", "min", "share_q05", "share_q50", "among_real_q05", "among_real_q50")
OF_REFERENCE = (*PRDC_NAMES, *(f"nearest_{name}" for name in NEAREST_NAMES), "fid", "kid", "kid_std")
QUANTILES = (0.05, 0.5)


class BesideReal:
    """Takes in features of both kinds of images, and compares them.

    Features are kept once, 4 · D bytes an image, and once more for a moment when the last ones have come. Memory and
    time grow with N: D² numbers for FID, and distances as `count_distances` says.

    Args:
        network: Where they come from.
        num_classes: C.
        images: M.
        real: N, at least 1.
        settings: How to measure.
        device: Where features are.
        distances: Called with numbers of distances that were measured.
        subsets: Called with 0 before the first subset of KID, and with 1 for each.

    Raises:
        ValueError: If a setting is out of range.
    """

    def __init__(
        self,
        network: FeatureNetwork,
        num_classes: int,
        images: int,
        real: int,
        settings: Settings,
        device: torch.device,
        distances: Callable[[int], None] | None = None,
        subsets: Callable[[int], None] | None = None,
    ) -> None:
        D, given = network.num_features, GivenFeatures(network.num_features)
        k, dense_k = settings.precision_recall_k, settings.density_coverage_k
        self.network = network
        self._settings = settings
        self._images, self._real = images, real
        # a subset has two images at least; with fewer, KID refuses for itself
        subset_size = max(2, min(settings.kid_subset_size, images, real))
        self._prdc = PRDC(D, k, dense_k, count=distances).to(device)
        self._class_prdc = ClassPRDC(D, num_classes, k, dense_k, count=distances).to(device)
        self._near = NearestRealDistance(D, QUANTILES, count=distances).to(device)
        self._fid = FID(given, D, network.name).to(device)
        self._kid = KID(given, D, network.name, settings.kid_subsets, subset_size, settings.seed, count=subsets).to(
            device
        )

    def update(self, feature_BD: Tensor, label_B: Tensor, number_B: Tensor, real: bool) -> None:
        """Take in a batch.

        Args:
            feature_BD: Float32, shape ``(B, D)``.
            label_B: cls, int64, shape ``(B,)``.
            number_B: Number of each image in its data set, int64, shape ``(B,)``.
            real: Whether they are real or of the set.

        Raises:
            ValueError: If features are NaN or infinite.
        """
        self._prdc.update(feature_BD, real)
        self._class_prdc.update(feature_BD, label_B, real)
        self._near.update(feature_BD, number_B, real)
        self._fid.update(feature_BD, real)
        self._kid.update(feature_BD, real)

    def measure(self, found: Findings, name: Callable[[int], str], real_name: Callable[[int], str]) -> list[Any]:
        """Add all measures.

        Args:
            found: Gets them.
            name: Name of an image of the set by its number.
            real_name: Likewise of a real one.

        Returns:
            The closest pairs.
        """
        self._join()
        self._measure_overlap(found)
        self._measure_distances(found)
        return self._measure_nearest(found, name, real_name)

    def _join(self) -> None:
        """Put the features of all batches into one piece that all metrics share, instead of one for each of them."""
        for kind, of_kid in (("real", "real_features"), ("distilled", "fake_features")):
            joined = self._prdc.rows(kind)
            for metric, state in (
                (self._prdc, kind),
                (self._class_prdc, f"{kind}_features"),
                (self._near, f"{kind}_features"),
                (self._kid, of_kid),
            ):
                metric.replace_rows(state, joined)

    def _key(self, metric: str) -> str:
        return metric_key(metric, self.network.name)

    def _measure_overlap(self, found: Findings) -> None:
        keys = [self._key(name) for name in PRDC_NAMES]
        values = found.attempt(keys, self._prdc.compute)
        if values is not None:
            found.summary |= dict(zip(keys, values[:4], strict=True))
        of_class = self._class_prdc.compute()
        k, dense_k = self._settings.precision_recall_k, self._settings.density_coverage_k
        few = f"more than {k} images are needed, and more than {max(k, dense_k)} real ones (--k)"
        for place, key in enumerate(keys):
            found.add_classes(key, [None if one is None else one[place] for one in of_class], few)

    def _measure_distances(self, found: Findings) -> None:
        fid, kid, kid_std = map(self._key, ("fid", "kid", "kid_std"))
        D, least = self.network.num_features, min(self._images, self._real)
        if least <= D:
            found.leave_out(
                [fid],
                f"{self._images} images and {self._real} real ones for {D} features: with {D} or fewer of a kind the "
                f"covariance lacks rank, and FID would tell the number of images more than anything else. Read {kid}",
            )
        else:
            value = found.attempt([fid], self._fid.compute)
            if value is not None:
                found.summary[fid] = float(value)
        values = found.attempt((kid, kid_std), self._kid.compute)
        if values is not None:
            found.summary |= {kid: values.mean, kid_std: values.std}
            if self._kid.subset_size < self._settings.kid_subset_size:
                found.warnings.append(
                    f"{kid}: subsets of {self._kid.subset_size} images, since there are no more; its deviation is that "
                    "of small subsets"
                )

    def _measure_nearest(
        self, found: Findings, name: Callable[[int], str], real_name: Callable[[int], str]
    ) -> list[dict[str, Any]]:
        keys = [self._key(f"nearest_{part}") for part in NEAREST_NAMES]
        near = found.attempt(keys, self._near.compute)
        if near is None:
            return []
        mean = sum(near.distance) / len(near.distance)
        values = (mean, min(near.distance), *near.shares, *near.real_distances)
        found.summary |= dict(zip(keys, values, strict=True))
        return _closest(near, self._settings.pairs, name, real_name)


def _closest(
    near: NearestReal, pairs: int, name: Callable[[int], str], real_name: Callable[[int], str]
) -> list[dict[str, Any]]:
    order: Sequence[int] = sorted(range(len(near.distance)), key=lambda place: (near.distance[place], place))
    return [
        {
            "image": name(near.number[place]),
            "reference": real_name(near.nearest[place]),
            "distance": near.distance[place],
        }
        for place in order[:pairs]
    ]


def count_distances(label_M: Tensor, real_label_N: Tensor) -> int:
    """How many distances between features are computed for a network: they grow with N².

    Args:
        label_M: cls of each image of the set, int64, shape ``(M,)``.
        real_label_N: Likewise of the real images, shape ``(N,)``.
    """
    n, m = len(real_label_N), len(label_M)
    classes = 1 + max(int(labels.max()) for labels in (label_M, real_label_N))
    n_C, m_C = (torch.bincount(labels, minlength=classes) for labels in (real_label_N, label_M))
    overlap = n * n + m * m + n * m
    of_classes = int((n_C * n_C + m_C * m_C + n_C * m_C).sum())
    return overlap + of_classes + (m + min(n, REAL_QUERIES)) * n
