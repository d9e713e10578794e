"""Judging a student: on validation images while it is trained, on test images when it is done."""

from collections.abc import Iterable, Sized
from itertools import islice
from operator import length_hint
from typing import cast

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn

from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.metrics.accuracy import Accuracies, ClassAccuracy, Evaluation
from hieramp_lit.pace import SlowLines
from hieramp_lit.students.network_input import NetworkInput
from hieramp_lit.tasks.student_checks import refuse_random_weights
from hieramp_lit.tasks.student_progress import StudentProgress


class StudentEvaluation(LightningModule):
    """Counts a student's right answers in `validate`, `test` and `fit`, and remembers the evaluations of a fit.

    What trains the student derives from this, and gives it `student`, `student_input`, `accuracy` and `image_size` in
    `configure_model`, and `checkpoint` before that.
    """

    student: nn.Module
    student_input: NetworkInput
    accuracy: ClassAccuracy
    image_size: int | None
    checkpoint: str | None

    def __init__(self) -> None:
        super().__init__()
        self.progress = StudentProgress()

    @property
    def evaluations(self) -> list[Evaluation]:
        """The student's accuracies so far."""
        return self.progress.evaluations

    @property
    def fitting(self) -> bool:
        """Whether the Trainer fits."""
        return self.trainer.state.fn == TrainerFn.FITTING

    @property
    def data(self) -> LightningDataModule:
        """The run's data module.

        Raises:
            ValueError: If there is none.
        """
        data: LightningDataModule | None = getattr(self.trainer, "datamodule", None)
        if data is None:
            raise ValueError(f"{type(self).__name__} takes its images from a data module: give `data:`.")
        return data

    def is_due(self, epoch: int) -> bool:
        """Whether an epoch that the Trainer would evaluate after, counted from 1, is evaluated after."""
        return True

    def on_train_start(self) -> None:
        """Make up for the evaluation that a checkpoint was saved just before."""
        trainer = self.trainer
        place = (trainer.num_training_batches, trainer.val_check_batch, trainer.check_val_every_n_epoch)
        epoch = self.progress.missed_evaluation(*place)
        if epoch is None or not self.is_due(epoch) or not trainer.enable_validation:
            return
        accuracies = self.measure(self.student, self.student_input, trainer.limit_val_batches)
        self.progress.record(epoch, accuracies)
        for logger in self.loggers:
            logger.log_metrics({"val/top1": accuracies.top1, "val/top5": accuracies.top5}, step=self.global_step)

    def on_validation_start(self) -> None:
        """Refuse to judge random weights, outside of a fit."""
        refuse_random_weights(self.trainer, self.checkpoint)

    def on_validation_epoch_start(self) -> None:
        """Start counting."""
        self.accuracy.reset()

    def validation_step(self, batch: ImageBatch, batch_idx: int) -> None:
        """Count the student's right answers."""
        self.accuracy.update(self.student(self._input(batch.image, self.student_input)), batch.label)

    def on_validation_epoch_end(self) -> None:
        """Log accuracies and remember them."""
        accuracies = self.accuracy.compute()
        self.log_dict({"val/top1": accuracies.top1, "val/top5": accuracies.top5}, prog_bar=True, sync_dist=True)
        if self.fitting and not self.trainer.sanity_checking:
            self.progress.record(self.current_epoch + 1, accuracies)

    def on_test_start(self) -> None:
        """Refuse to judge random weights."""
        refuse_random_weights(self.trainer, self.checkpoint)

    def on_test_epoch_start(self) -> None:
        """Start counting."""
        self.accuracy.reset()

    def test_step(self, batch: ImageBatch, batch_idx: int) -> None:
        """Count the student's right answers."""
        self.validation_step(batch, batch_idx)

    def on_test_epoch_end(self) -> None:
        """Log accuracies, of each class too."""
        accuracies = self.accuracy.compute()
        logged = {"test/top1": accuracies.top1, "test/top5": accuracies.top5}
        logged |= {f"test/class_{cls}": share for cls, share in enumerate(accuracies.per_class) if share is not None}
        self.log_dict(logged, sync_dist=True)

    def measure(self, network: nn.Module, network_input: NetworkInput, limit: int | float = 1.0) -> Accuracies:
        """Judge any network on the validation images, outside of the Trainer's loop but in its precision.

        Args:
            network: The student or its teacher; judged in eval mode.
            network_input: How the network takes images.
            limit: Validation batches: their number if an int, else their share (``trainer.limit_val_batches``).
        """
        network.to(self.device)
        training = network.training
        network.eval()
        counter = ClassAccuracy(len(self.accuracy.count)).to(self.device)
        with self.trainer.precision_plugin.forward_context():
            batches = _limited(self.data.val_dataloader(), limit)
            told, total = SlowLines("measured", "batches", rank_zero_info), length_hint(batches)
            for place, batch in enumerate(batches, 1):
                image = self._input(batch.image.to(self.device), network_input)
                with torch.inference_mode():
                    logits = network(image)
                counter.update(logits, batch.label.to(self.device))
                told(place, total)
        network.train(training)
        accuracies: Accuracies = counter.compute()
        return accuracies

    def _input(self, image_BCHW: Tensor, network_input: NetworkInput) -> Tensor:
        """Validation images, already cropped to the input size by their data module, as a network takes them."""
        if image_BCHW.shape[-2:] != (self.image_size, self.image_size):
            raise ValueError(
                f"Validation images are {tuple(image_BCHW.shape[-2:])}, the student takes {self.image_size} pixels. "
                "Give the validation data the same image_size as the student."
            )
        return network_input.make_(image_BCHW.float().div_(255), cast(torch.dtype, self.dtype))


def _limited(batches: Iterable[ImageBatch], limit: int | float) -> Iterable[ImageBatch]:
    if isinstance(limit, float):
        return batches if limit == 1.0 else islice(batches, int(len(cast(Sized, batches)) * limit))
    return islice(batches, limit)
