"""What a student's run takes from its protocol: epochs and evaluations, for the student and the set at hand."""

from typing import Any

from lightning.pytorch import LightningDataModule, Trainer

from hieramp_lit.classes import ClassList
from hieramp_lit.data import ShardDataModule
from hieramp_lit.students.protocols import Protocol, Setting

BY_PROTOCOL = -1
"""Of ``trainer.max_epochs`` and ``trainer.check_val_every_n_epoch``: as the protocol says."""


def setting_of(data: LightningDataModule, num_classes: int, image_size: int, student: str) -> Setting:
    """Student and set, as the protocol's rules see them.

    Args:
        data: Data module of the run, set up.
        num_classes: Rows of the student's last layer: the number of classes where the data has no list of them.
        image_size: Side of its input in pixels.
        student: Name as `create_student` takes it.
    """
    classes = getattr(data, "classes", None)
    known = classes if isinstance(classes, ClassList) else None
    return Setting.of(_count_images(data), num_classes, known, image_size, student)


def follow(trainer: Trainer, protocol: Protocol, setting: Setting) -> bool:
    """Give the Trainer the protocol's epochs where ``trainer.max_epochs`` is -1.

    Args:
        trainer: Before its fit begins.
        protocol: The student's.
        setting: Student and set.

    Returns:
        Whether the protocol says also when the student is evaluated: ``trainer.check_val_every_n_epoch`` is -1.
    """
    if trainer.max_epochs == BY_PROTOCOL:
        trainer.fit_loop.max_epochs = protocol.epochs_for(setting)
    return trainer.check_val_every_n_epoch == BY_PROTOCOL


def _count_images(data: LightningDataModule) -> int | None:
    """Training images; None where nobody counts them."""
    if isinstance(data, ShardDataModule):
        return len(data.shards)
    ask = None if getattr(data, "streams", False) else getattr(data, "train_samples", None)
    samples: Any = None if ask is None else ask()
    return None if samples is None else len(samples)
