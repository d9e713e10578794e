"""All metrics of one feature network, over the images of a set and, where there are any, real ones.

Legend: ``B`` batch · ``C`` classes · ``D`` features · ``M`` images of the set · ``N`` real images.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from hieramp_lit.inspection.findings import Findings
from hieramp_lit.inspection.networks import FeatureNetwork
from hieramp_lit.metrics.class_prdc import ClassPRDC
from hieramp_lit.metrics.diversity import IntraClassDiversity
from hieramp_lit.metrics.feature_network import GivenFeatures
from hieramp_lit.metrics.fid_kid import FID, KID, metric_key
from hieramp_lit.metrics.memorization import NearestReal, NearestRealDistance
from hieramp_lit.metrics.prdc import PRDC
from hieramp_lit.metrics.teacher_answers import TeacherConfidence
from hieramp_lit.metrics.vendi import VendiScore, check_directions

PRDC_NAMES = ("precision", "recall", "density", "coverage")
NEAREST_NAMES = ("mean", "min", "share_q05", "share_q50", "among_real_q05", "among_real_q50")
TEACHER_NAMES = ("top1", "confidence", "entropy")
OF_NETWORK = ("vendi", "vendi_class_mean", "diversity", *(f"teacher_{name}" for name in TEACHER_NAMES))
OF_REFERENCE = (*PRDC_NAMES, *(f"nearest_{name}" for name in NEAREST_NAMES), "fid", "kid", "kid_std")
NO_REFERENCE = "needs real images: give --reference"
QUANTILES = (0.05, 0.5)


@dataclass(frozen=True)
class Settings:
    """How metrics are taken.

    Attributes:
        precision_recall_k: Neighbours for precision and recall.
        density_coverage_k: Neighbours for density and coverage.
        vendi_q: Order of the Vendi score.
        kid_subsets: Subsets of KID.
        kid_subset_size: Images of each kind in a subset; as many as there are, where these are fewer.
        pairs: How many of the closest pairs to name.
        seed: Of KID's subsets and of what stands for a limited reference.
    """

    precision_recall_k: int = 3
    density_coverage_k: int = 5
    vendi_q: float = 1.0
    kid_subsets: int = 100
    kid_subset_size: int = 1000
    pairs: int = 20
    seed: int = 0

    def describe(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"vendi_q": str(self.vendi_q) if self.vendi_q == torch.inf else self.vendi_q}


class Comparison:
    """Takes in batches of features and answers, and measures them.

    Features are kept once, 4 · D bytes an image, whichever metrics share them.

    Args:
        network: Where they come from.
        num_classes: C.
        images: M.
        real: N; 0 without a reference.
        settings: How to measure.
        device: Where features are.

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
    ) -> None:
        D, given = network.num_features, GivenFeatures(network.num_features)
        k, dense_k = settings.precision_recall_k, settings.density_coverage_k
        self.network = network
        self._settings = settings
        self._images, self._real = images, real
        # a subset has two images at least; with fewer, KID refuses for itself
        subset_size = max(2, min(settings.kid_subset_size, images, real))
        self._prdc = PRDC(D, k, dense_k).to(device)
        self._class_prdc = ClassPRDC(D, num_classes, k, dense_k).to(device)
        self._near = NearestRealDistance(D, QUANTILES).to(device)
        self._fid = FID(given, D, network.name).to(device)
        self._kid = KID(given, D, network.name, settings.kid_subsets, subset_size, settings.seed).to(device)
        self._vendi = VendiScore(D, num_classes, settings.vendi_q).to(device)
        self._diversity = IntraClassDiversity(D, num_classes).to(device)
        self._teacher = TeacherConfidence(num_classes).to(device)
        self._no_directions: str | None = None

    def update(self, image_B3SS: Tensor, label_B: Tensor, number_B: Tensor, real: bool) -> None:
        """Take in a batch.

        Args:
            image_B3SS: In the network's size, uint8, on its device, as labels and numbers.
            label_B: cls, int64, shape ``(B,)``.
            number_B: Number of each image in its data set, int64, shape ``(B,)``.
            real: Whether they are real or of the set.

        Raises:
            ValueError: If features or answers are NaN or infinite.
        """
        feature_BD, logits_BC = self.network(image_B3SS)
        if self._real:
            self._prdc.update(feature_BD, real)
            self._class_prdc.update(feature_BD, label_B, real)
            self._near.update(feature_BD, number_B, real)
            self._fid.update(feature_BD, real)
            self._kid.update(feature_BD, real)
        if real:
            return
        if logits_BC is not None:
            self._teacher.update(logits_BC, label_B)
        try:
            check_directions(feature_BD)
        except ValueError as error:
            self._no_directions = str(error)
        if self._no_directions is None:
            self._vendi.update(feature_BD, label_B)
            self._diversity.update(feature_BD, label_B)

    def measure(self, found: Findings, name: Callable[[int], str], real_name: Callable[[int], str]) -> list[Any]:
        """Add all measures.

        Args:
            found: Gets them.
            name: Name of an image of the set by its number.
            real_name: Likewise of a real one.

        Returns:
            The closest pairs.
        """
        self._measure_alone(found)
        if not self._real:
            found.leave_out(map(self._key, OF_REFERENCE), NO_REFERENCE)
            return []
        self._measure_overlap(found)
        self._measure_distances(found)
        return self._measure_nearest(found, name, real_name)

    def _key(self, metric: str) -> str:
        return metric_key(metric, self.network.name)

    def _measure_alone(self, found: Findings) -> None:
        vendi, vendi_mean, diversity = map(self._key, ("vendi", "vendi_class_mean", "diversity"))
        teacher = [self._key(f"teacher_{part}") for part in TEACHER_NAMES]
        if self._no_directions is not None:
            found.leave_out((vendi, vendi_mean, diversity), self._no_directions)
        else:
            scores = self._vendi.compute()
            found.summary |= {vendi: scores.overall, vendi_mean: scores.class_mean}
            found.add_classes(vendi, scores.per_class, "no image")
            distances = self._diversity.compute()
            few = "fewer than two images have no pair to compare"
            if distances.mean is None:
                found.leave_out([diversity], f"every class: {few}")
            else:
                found.summary[diversity] = distances.mean
            found.add_classes(diversity, distances.per_class, few)
        if self.network.no_answers is not None:
            found.leave_out(teacher, self.network.no_answers)
            return
        answers = self._teacher.compute()
        found.summary |= dict(zip(teacher, answers[:3], strict=True))
        for key, values in zip(teacher, answers[3:6], strict=True):
            found.add_classes(key, values, "no image")

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
