"""Feature networks of an inspection: a teacher, any classifier by name, Inception.

Legend: ``B`` batch · ``C`` classes of the set · ``D`` features · ``S`` side in pixels.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hieramp_lit.classes import ClassList
from hieramp_lit.files import sha256
from hieramp_lit.metrics.feature_network import PenultimateFeatures
from hieramp_lit.metrics.inception import NUM_FEATURES, inception
from hieramp_lit.students.network_input import NetworkInput
from hieramp_lit.students.teacher import IMAGENET_CLASSES, Teacher

INCEPTION = "inception"
KEY = "--teacher"


@dataclass(frozen=True)
class FeatureNetwork:
    """What images are compared by.

    Attributes:
        name: Part of the metrics' names.
        network: Frozen, in eval mode: a classifier, or a module that maps uint8 images to features.
        num_features: D.
        image_size: S; None takes images in the set's own size.
        sha256: Of the weights.
        network_input: How a classifier takes images.
        no_answers: Why its answers are not about the set's classes; None if they are, in `cls` order.
    """

    name: str
    network: PenultimateFeatures | nn.Module
    num_features: int
    image_size: int | None
    sha256: str
    network_input: NetworkInput = NetworkInput()  # noqa: RUF009 (frozen)
    no_answers: str | None = None

    @torch.no_grad()
    def __call__(self, image_B3SS: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pass images once.

        Args:
            image_B3SS: RGB, uint8 in 0…255, on the network's device.

        Returns:
            Features, float32, shape ``(B, D)``, and answers of shape ``(B, C)``; None if they are not about the set's
            classes.
        """
        if not isinstance(self.network, PenultimateFeatures):
            features: Tensor = self.network(image_B3SS)
            return features.float(), None
        answer = self.network.answer(self.network_input.make_(image_B3SS.float().div_(255)))
        return answer.features.float(), answer.logits if self.no_answers is None else None

    def describe(self) -> dict[str, Any]:
        """What decides the features, as plain values."""
        classifier = isinstance(self.network, PenultimateFeatures)
        return {
            "sha256": self.sha256,
            "num_features": self.num_features,
            "image_size": self.image_size,
            "mean": list(self.network_input.mean) if classifier else None,
            "std": list(self.network_input.std) if classifier else None,
            "answers_the_classes": self.no_answers is None,
        }


def teacher_features(
    teacher: Teacher, classes: ClassList, image_size: int, network_input: NetworkInput, key: str = "model.teacher"
) -> FeatureNetwork:
    """The features and answers of a teacher of the set's classes.

    Args:
        teacher: The teacher.
        classes: The set's.
        image_size: Side of its input in pixels.
        network_input: How it takes images where it does not say so itself.
        key: Configuration key, for errors.

    Raises:
        FileNotFoundError: If its checkpoint does not exist.
        ValueError: If it answers other classes, or does not fit its weights.
    """
    return _features(teacher, len(classes), image_size, network_input, key)


def named_features(teacher: Teacher, classes: ClassList, image_size: int) -> FeatureNetwork:
    """The features of any classifier; its answers too, where they can be about the set's classes.

    They are if `rows` says so, if it has as many answers as the set has classes, and if it answers the 1000 of ImageNet
    and the set's classes are among these.

    Args:
        teacher: The classifier.
        classes: The set's.
        image_size: Side of its input in pixels.

    Raises:
        FileNotFoundError: If its checkpoint does not exist.
        ValueError: If it does not fit its weights, or `rows` are not one a class.
    """
    if teacher.rows is not None:
        return teacher_features(teacher, classes, image_size, NetworkInput(), KEY)
    answers = teacher.answers(key=KEY)
    indices = tuple(entry.imagenet_index for entry in classes.entries if entry.imagenet_index is not None)
    if answers == IMAGENET_CLASSES and len(indices) == len(classes):
        teacher = replace(teacher, rows=indices)
    elif answers != len(classes):
        why = (
            f"{teacher.architecture} answers {answers} classes, the set has {len(classes)}, and they are not all "
            f"ImageNet's: give a teacher of these classes, or {KEY}.rows, its rows in the set's class order"
        )
        return replace(_features(teacher, answers, image_size, NetworkInput(), KEY), no_answers=why)
    return teacher_features(teacher, classes, image_size, NetworkInput(), KEY)


def inception_features(weights: Path) -> FeatureNetwork:
    """Inception's, by which papers report FID and KID; it sees images in the set's own size and enlarges them itself.

    Args:
        weights: See `metrics.inception`.

    Raises:
        FileNotFoundError: If there is no such file.
        ModuleNotFoundError: If torch-fidelity is not installed.
    """
    network = inception(weights)
    why = "Inception answers other classes: give a teacher of these"
    return FeatureNetwork(INCEPTION, network, NUM_FEATURES, None, sha256(weights), no_answers=why)


def _features(teacher: Teacher, answers: int, image_size: int, network_input: NetworkInput, key: str) -> FeatureNetwork:
    loaded = teacher.load(answers, image_size, key=key)
    features = PenultimateFeatures(loaded.network)
    own = NetworkInput(teacher.mean or network_input.mean, teacher.std or network_input.std)
    name = teacher.architecture.replace("/", "_")
    return FeatureNetwork(name, features, features.num_features, image_size, loaded.sha256, own)
