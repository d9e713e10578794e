"""What protocols decide by student and set: learning rate, epochs, batch size, and when an evaluation may be the best.

Sources: RDED (arXiv:2312.03526), D³HR (by HIERAMP's first author), Minimax (arXiv:2311.15529), as their code has it but
for what each rule says.
"""

import math
import re
from typing import Literal

from hieramp_lit.students.protocols.setting import Setting

EpochsRule = Literal["rded", "d3hr", "minimax"]
BatchSizeRule = Literal["rded", "d3hr", "minimax"]
BestRule = Literal["share", "d3hr"]

_LEARNING_RATES = (
    ("mobilenet", 0.0025),
    ("efficientnet", 0.002),
    ("vgg", 0.0005),
    ("alexnet", 0.0001),
    ("vit", 0.0001),
    ("deit", 0.0001),
    ("swin", 0.0001),
)
_ORIGIN = re.compile(r"^(tf|gc|test)_")
"""What timm puts before a family's name where a network was ported from elsewhere or changed a little."""
_MINIMAX_EPOCHS = ((1, 3000), (10, 2000), (50, 1500), (200, 1000), (500, 500))
_ROUNDING = 1e-9
"""A share of training such as ⅔ is a rounded number; its product with the epochs may fall short of a whole one."""


def learning_rate(setting: Setting) -> float:
    """RDED's initial learning rate for a student, which is for AdamW.

    Returns:
        0.0025 for MobileNet, 0.002 for EfficientNet, 0.0005 for VGG, 0.0001 for AlexNet, ViT and Swin, 0.002 for
        ConvNet-3 on CIFAR-100 (in RDED's code only if the teacher is a ConvNet-3 too; here with any), and 0.001 for all
        others (ResNets, ConvNets). A family is known by how the name begins, after timm's ``tf_``.
    """
    if setting.is_convnet3_on_cifar100:
        return 0.002
    name = _ORIGIN.sub("", setting.student.rsplit("/", 1)[-1])
    return next((rate for family, rate in _LEARNING_RATES if name.startswith(family)), 0.001)


def epochs(rule: EpochsRule, setting: Setting) -> int:
    """Epochs of the whole training.

    Args:
        rule: ``rded``: 300, whatever the set. ``d3hr``: 300, on CIFAR (32 pixels) 400; on ImageWoof 2000 at 10 images
            per class, 1500 at 50, and 1000 at any other number. ``minimax``: 3000, 2000, 1500, 1000, 500 up to 1, 10,
            50, 200, 500 images per class and 300 above; with 100 classes two thirds of that, rounded down to hundreds.
        setting: Student and set.

    Raises:
        ValueError: If the rule needs the images per class and they are not counted.
    """
    if rule == "rded":
        return 300
    if rule == "d3hr":
        if setting.is_imagewoof:
            ipc = setting.images_per_class
            return 1500 if ipc == 50 else 2000 if ipc == 10 else 1000
        return 400 if setting.is_cifar else 300
    ipc = setting.images_per_class
    number = next((number for most, number in _MINIMAX_EPOCHS if ipc <= most), 300)
    return number * 2 // 3 // 100 * 100 if setting.classes == 100 else number


def batch_size(rule: BatchSizeRule, setting: Setting) -> int:
    """Images of a step; never more than the set.

    Args:
        rule: ``rded``: 10, 50 and 100 at 1, 10 and 50 images per class, which is all that RDED defines; between them
            the lower step. Twice that for 100 or 1000 classes; 100 for Tiny-ImageNet (200 classes at 64 pixels); 25 for
            ConvNet-3 on CIFAR-100 (in RDED's code only if the teacher is a ConvNet-3 too; here with any). ``d3hr``: 15,
            from 10 images per class on 50, from 50 on 100; never doubled (its code doubles for exactly 100 classes).
            ``minimax``: 64 (its code: 128 for more than 100 classes).
        setting: Student and set.

    Raises:
        ValueError: If the images are not counted.
    """
    ipc = setting.images_per_class
    if rule == "minimax":
        size = 64
    elif rule == "d3hr":
        size = 100 if ipc >= 50 else 50 if ipc >= 10 else 15
    else:
        size = 100 if ipc >= 50 else 50 if ipc >= 10 else 10
        if setting.classes in {100, 1000}:
            size *= 2
        if setting.is_tiny_imagenet:
            size = 100
        if setting.is_convnet3_on_cifar100:
            size = 25
    return min(size, setting.images or size)


def first_best_epoch(rule: BestRule, best_from: float, epochs: int, setting: Setting) -> int:
    """The first epoch, counted from 1, whose evaluation may be the best.

    Args:
        rule: ``share``: after the share `best_from` of training. ``d3hr``: from epoch 392 on for CIFAR and ImageWoof,
            from 292 on elsewhere, however long training is: its code asks for more than 390 or 290, counted from 0.
        best_from: Read by ``share`` only.
        epochs: Of the whole training.
        setting: Student and set.
    """
    if rule == "d3hr":
        return 392 if setting.is_cifar or setting.is_imagewoof else 292
    return whole_epochs(best_from, epochs) + 1


def evaluation_interval(evaluate_every: int | None, epochs: int) -> int:
    """Epochs between evaluations.

    Args:
        evaluate_every: As given. Null is the rule of Minimax' code, a hundredth of training, rounded down, at least 1.
        epochs: Of the whole training.
    """
    return max(1, epochs // 100) if evaluate_every is None else evaluate_every


def whole_epochs(share: float, epochs: int) -> int:
    """Epochs in a share of training, rounded down."""
    return math.floor(share * epochs + _ROUNDING)
