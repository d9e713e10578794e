"""The RDED protocol's rules as pure functions: learning rate, batch size, schedule, parameter groups.

RDED (Sun et al., arXiv:2312.03526) is how the tables of HIERAMP judge a distilled set.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

from torch import nn

PROTOCOL = "rded"
PROTOCOL_VERSION = 1
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Schedule = Literal["half_cosine", "cosine", "constant"]

_LEARNING_RATES = (
    ("mobilenet", 0.0025),
    ("efficientnet", 0.002),
    ("vgg", 0.0005),
    ("alexnet", 0.0001),
    ("vit", 0.0001),
    ("deit", 0.0001),
    ("swin", 0.0001),
)


def learning_rate(student: str, num_classes: int, image_size: int) -> float:
    """AdamW's initial learning rate for a student.

    Args:
        student: Name as `create_student` takes it.
        num_classes: Classes of the set.
        image_size: Side of the input in pixels; with 100 classes at 32 pixels it means CIFAR-100.

    Returns:
        0.0025 for MobileNet, 0.002 for EfficientNet, 0.0005 for VGG, 0.0001 for AlexNet, ViT and Swin, 0.002 for
        ConvNet-3 on CIFAR-100, and 0.001 for all others (ResNets, ConvNets).
    """
    if _is_convnet3_on_cifar100(student, num_classes, image_size):
        return 0.002
    name = student.rsplit("/", 1)[-1]
    return next((rate for family, rate in _LEARNING_RATES if name.startswith(family)), 0.001)


def batch_size(images: int, num_classes: int, image_size: int, student: str = "") -> int:
    """Batch size for a distilled set.

    RDED fixes 10, 50 and 100 for 1, 10 and 50 images per class (IPC) and is undefined elsewhere; between them we take
    the lower step. Twice that for 100 or 1000 classes; 100 for Tiny-ImageNet (200 classes at 64 pixels); 25 for
    ConvNet-3 on CIFAR-100. Never more than the set.

    Args:
        images: Images of the whole set; IPC is ``images / num_classes``.
        num_classes: Classes of the set.
        image_size: Side of the input in pixels.
        student: Name as `create_student` takes it; only ConvNet-3 on CIFAR-100 depends on it.
    """
    ipc = images / num_classes
    size = 100 if ipc >= 50 else 50 if ipc >= 10 else 10
    if num_classes in {100, 1000}:
        size *= 2
    if num_classes == 200 and image_size == 64:
        size = 100
    if _is_convnet3_on_cifar100(student, num_classes, image_size):
        size = 25
    return min(size, images)


def temperature(mix: str) -> float:
    """Softening of both softmaxes: 4 with MixUp, else 20."""
    return 4.0 if mix == "mixup" else 20.0


def mix_alpha(mix: str) -> float:
    """Both parameters of the Beta law of λ: 0.8 with MixUp, else 1."""
    return 0.8 if mix == "mixup" else 1.0


def schedule_factor(schedule: Schedule, epoch: int, epochs: int) -> float:
    """Factor on the learning rate during an epoch.

    Args:
        schedule: ``half_cosine`` is RDED's ``½(1 + cos(π·e / E / 2))``, which ends at ½; ``cosine`` is
            ``½(1 + cos(π·e / E))``, which ends near 0; ``constant`` is 1.
        epoch: Epoch e, ``0 <= epoch``.
        epochs: Epochs of the whole training E, positive.

    Raises:
        ValueError: For an unknown schedule.
    """
    if schedule == "half_cosine":
        return 0.5 * (1 + math.cos(math.pi * epoch / epochs / 2))
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * epoch / epochs))
    if schedule == "constant":
        return 1.0
    raise ValueError(f"schedule={schedule!r}: choose half_cosine, cosine or constant.")


def parameter_groups(student: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split parameters for AdamW: decay on tensors named ``weight`` with more than one dimension, none on the rest.

    As in the published loop, ``weight`` may stand anywhere in the name: attention's ``in_proj_weight`` is decayed too.

    Args:
        student: Network.
        weight_decay: Decay of the first group.

    Returns:
        Two groups, decayed and not, in the order of `named_parameters`.
    """
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in student.named_parameters():
        (decayed if "weight" in name and parameter.ndim > 1 else plain).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def changes(
    constants: Mapping[str, Any], images: int | None, num_classes: int, image_size: int, student: str
) -> dict[str, Any]:
    """Which constants of a training are not the protocol's.

    Args:
        constants: What was used, as ``result.json`` lists it.
        images: Images of the distilled set; None where there is none.
        num_classes: Classes of the set.
        image_size: Side of the input in pixels.
        student: Name as `create_student` takes it.

    Returns:
        For each that differs, ``{"protocol": …, "used": …}``.
    """
    rded = {
        "labels": "soft",
        "mix": "cutmix",
        "temperature": temperature("cutmix"),
        "mix_alpha": mix_alpha("cutmix"),
        "augmentation": {"enabled": True, "min_scale": 0.08, "min_ratio": 3 / 4, "flip": 0.5, "antialias": True},
        "mean": list(IMAGENET_MEAN),
        "std": list(IMAGENET_STD),
        "lr": learning_rate(student, num_classes, image_size),
        "weight_decay": 0.01,
        "betas": [0.9, 0.999],
        "schedule": "half_cosine",
        "update_batch_norm_twice": True,
        "best_from": 0.8,
        "epochs": 300,
        "started_from_checkpoint": False,
        "batch_size": None if images is None else batch_size(images, num_classes, image_size, student),
    }
    return {
        name: {"protocol": value, "used": constants.get(name)}
        for name, value in rded.items()
        if constants.get(name) != value
    }


def _is_convnet3_on_cifar100(student: str, num_classes: int, image_size: int) -> bool:
    return student == "convnet3" and num_classes == 100 and image_size == 32
