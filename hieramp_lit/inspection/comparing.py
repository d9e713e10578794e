"""All metrics of one feature network, over the images of a set and, where there are any, real ones.

Legend: ``B`` batch · ``C`` classes · ``D`` features · ``M`` images of the set · ``N`` real images.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hieramp_lit.inspection.beside_real import OF_REFERENCE, BesideReal
from hieramp_lit.inspection.findings import Findings
from hieramp_lit.inspection.lowest import LowestConfidence
from hieramp_lit.inspection.networks import FeatureNetwork
from hieramp_lit.inspection.settings import Settings
from hieramp_lit.metrics.diversity import IntraClassDiversity
from hieramp_lit.metrics.fid_kid import metric_key
from hieramp_lit.metrics.teacher_answers import TeacherConfidence
from hieramp_lit.metrics.vendi import VendiScore, check_directions

TEACHER_NAMES = ("top1", "confidence", "entropy")
OF_NETWORK = ("vendi", "vendi_class_mean", "diversity", *(f"teacher_{name}" for name in TEACHER_NAMES))
NO_REFERENCE = "needs real images: give --reference"


class Comparison:
    """Takes in batches of features and answers, and measures them.

    Features are kept once, 4 · D bytes an image, whichever metrics share them; what compares is there only with real
    images to compare with.

    Args:
        network: Where they come from.
        num_classes: C.
        images: M.
        real: N; 0 without a reference.
        settings: How to measure.
        device: Where features are.
        distances: Called with numbers of distances between images that were measured.
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
        D = network.num_features
        self.network = network
        self._beside = None
        if real:
            counted = distances, subsets
            self._beside = BesideReal(network, num_classes, images, real, settings, device, *counted)
        self._vendi = VendiScore(D, num_classes, settings.vendi_q).to(device)
        self._diversity = IntraClassDiversity(D, num_classes).to(device)
        self._teacher = TeacherConfidence(num_classes).to(device)
        self._lowest = LowestConfidence()
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
        if self._beside is not None:
            self._beside.update(feature_BD, label_B, number_B, real)
        if real:
            return
        if logits_BC is not None:
            self._teacher.update(logits_BC, label_B)
            self._lowest.update(logits_BC, label_B, number_B)
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
        if self._beside is None:
            found.leave_out(map(self._key, OF_REFERENCE), NO_REFERENCE)
            return []
        return self._beside.measure(found, name, real_name)

    def lowest(self, name: Callable[[int], str]) -> list[dict[str, Any]]:
        """The images whose class the teacher finds least likely; none where it answers other classes.

        Args:
            name: Name of an image of the set by its number.
        """
        return self._lowest.measure(name)

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
