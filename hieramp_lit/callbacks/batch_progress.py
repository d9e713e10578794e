"""Progress of a validation, a test or an encoding in a log: batches, images per second, time left."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from hieramp_lit.callbacks.progress_lines import ProgressLines, batches_line, images_in
from hieramp_lit.data.batches import PlanBatch


class BatchProgress(ProgressLines):
    """Tells how far one pass over batches is, see `ProgressLines`; of several ranks, those of rank 0.

    Fits have `TrainingProgress`, and generations `GenerationProgress`.
    """

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start(trainer)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start(trainer)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start(trainer)

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        """Count a batch, outside of a fit."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._count("measured", rest[1], trainer.num_val_batches)

    def on_test_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        """Count a batch."""
        self._count("measured", rest[1], trainer.num_test_batches)

    def on_predict_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        """Count a batch that is encoded."""
        if not isinstance(rest[1], PlanBatch):
            self._count("encoded", rest[1], trainer.num_predict_batches)

    def _start(self, trainer: Trainer) -> None:
        if trainer.state.fn != TrainerFn.FITTING:
            self._began = self.begin()
            self._batches = self._images = 0

    def _count(self, done: str, batch: Any, batches: list[int | float]) -> None:
        self._batches += 1
        self._images += images_in(batch)
        total = sum(batches)
        if self.is_due(last=self._batches == total):
            elapsed = self.clock() - self._began
            self.tell(batches_line(done, self._batches, total, elapsed, self._images), self._batches, total)
