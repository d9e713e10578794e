"""What a student's training asks of its data and of its teacher before it starts."""

import logging

from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from hieramp_lit.metrics.accuracy import Accuracies

_log = logging.getLogger(__name__)


def asked_of_data(data: LightningDataModule, name: str) -> int:
    """What the data module knows where a setting of the task is null.

    Args:
        data: Data module of the run.
        name: ``num_classes`` (also the length of its class list) or ``image_size``.

    Raises:
        ValueError: If it does not know.
    """
    value = getattr(data, name, None)
    if value is None and name == "num_classes":
        classes = getattr(data, "classes", None)
        value = None if classes is None else len(classes)
    if value is None:
        raise ValueError(f"model.{name} is null and {type(data).__name__} does not know it: give model.{name}.")
    return int(value)


def refuse_rows(data: LightningDataModule) -> None:
    """Refuse data that labels images with class rows, which are for generators.

    Raises:
        ValueError: If it does, or the data that judges the student does.
    """
    for part, key in ((data, "data"), (getattr(data, "validation", None), "data.validation")):
        if getattr(part, "label", None) == "row":
            raise ValueError(f"{key}.label='row' labels for generators; students learn 'cls': set {key}.label: cls.")


def refuse_another_teacher(before: str | None, now: str) -> None:
    """Refuse to go on with a student under weights that did not teach it so far.

    Args:
        before: SHA-256 of the teacher that the checkpoint was saved under; None if it does not say.
        now: Of the teacher that is loaded.

    Raises:
        ValueError: If they differ.
    """
    if before not in {None, now}:
        raise ValueError(
            f"model.teacher: the student was trained so far under weights with the SHA-256 {before}, and those there "
            f"now have {now}. Bring the first ones back, or train the student anew: without --ckpt_path, or, under "
            "`hieramp students`, after deleting the folder of its seed."
        )


def warn_near_chance(accuracies: Accuracies) -> None:
    """Warn, with the usual causes, of a teacher that is right hardly more often than chance.

    Near means: less than a tenth of the way from chance to 1.

    Args:
        accuracies: The teacher's, on the validation data.
    """
    chance = 1 / len(accuracies.per_class)
    if accuracies.top1 < chance + 0.1 * (1 - chance):
        _log.warning(
            "The teacher's validation top-1 is %.1f %%, chance is %.1f %%: its labels are worth nothing. Usual causes: "
            "its classes are in another order than the set's (teacher.rows); another architecture or stem (resnet18 "
            "against resnet18_modified); another normalization (teacher.mean, teacher.std); another input size.",
            100 * accuracies.top1,
            100 * chance,
        )


def warn_of_devices(world_size: int) -> None:
    """Warn of more than one device."""
    if world_size > 1:
        _log.warning(
            "The student trains on %d devices: batch and batch-norm statistics are then not the protocol's. "
            "One device a student, several students at once, is the comparable way.",
            world_size,
        )


def has_batch_norm(network: nn.Module) -> bool:
    """Whether a network takes statistics over its batch."""
    return any(isinstance(module, _BatchNorm) for module in network.modules())


def refuse_single_image(image_BCHW: Tensor, student: str) -> None:
    """Refuse a batch of one image for a network with batch norm: it has no variance.

    Torch stops where such a map has one pixel, and elsewhere takes the image's own statistics for the batch's.

    Args:
        image_BCHW: The batch.
        student: Name of the network.

    Raises:
        ValueError: If the batch has one image.
    """
    if len(image_BCHW) == 1:
        raise ValueError(
            f"A training batch holds one image, and batch norm in model.student={student!r} cannot normalize over one. "
            "Give data.batch_size of 2 or more, a set of more images, or a student without batch norm, e.g. "
            "model.norm: instance."
        )


def refuse_random_weights(trainer: Trainer, checkpoint: str | None) -> None:
    """Refuse `hieramp test` and `hieramp validate` without a student; call when they start, not in `setup`.

    Args:
        trainer: Tells the command, and the path of ``--ckpt_path``, which Lightning knows only after `setup`.
        checkpoint: The task's own ``model.checkpoint``.

    Raises:
        ValueError: If neither gives weights.
    """
    commands = {TrainerFn.TESTING: "test", TrainerFn.VALIDATING: "validate"}
    command = commands.get(trainer.state.fn) if trainer.state.fn is not None else None
    if command is not None and checkpoint is None and trainer.ckpt_path is None:
        raise ValueError(
            f"`hieramp {command}` was given no student: random weights would be judged. Give model.checkpoint, the "
            "file that `hieramp fit` wrote (its checkpoint or model.export), or --ckpt_path."
        )
