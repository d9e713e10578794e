"""Progress of a fit in a log: epochs, steps, loss, images per second, time left."""

import math
from collections.abc import Iterator
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from hieramp_lit.callbacks.progress_lines import ProgressLines, batches_line, images_in
from hieramp_lit.pace import duration, rate, seconds_left

LOGGED = ("train/loss", "val/loss", "val/top1")
"""Values that a line shows as far as the task logs them. The device is waited for when a line is due alone."""


class TrainingProgress(ProgressLines):
    """Tells how far a fit is, see `ProgressLines`.

    Images per second are those of all ranks, without the time of validation; the time left follows from the steps so
    far, validation included. Both count from where this run began, so that a resumed one has its own pace.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start = self.begin()
        self._first_step = self._last_step = trainer.global_step
        self._images, self._validation_s = 0, 0.0
        self._total = trainer.estimated_stepping_batches

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a batch; after a whole step a line may be due."""
        self._images += images_in(batch) * trainer.world_size
        if trainer.global_step > self._last_step and self.is_due():
            elapsed = self.clock() - self._start
            done, all_steps = trainer.global_step - self._first_step, self._total - self._first_step
            left = None if math.isinf(all_steps) else seconds_left(done, all_steps, elapsed)
            remaining = [f"{duration(left)} left"] if left else []
            line = ", ".join([*self._place(trainer), *_values(trainer), self._speed(elapsed), *remaining])
            self.tell(line, trainer.global_step, self._total)
        self._last_step = trainer.global_step

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember when it began."""
        self._validation_start = self.clock()
        self._batches = self._judged = 0

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Tell of a validation that takes long."""
        self._batches += 1
        self._judged += images_in(batch)
        if _amid_a_fit(trainer) and self.is_due():
            elapsed, total = self.clock() - self._validation_start, sum(trainer.num_val_batches)
            self.tell(batches_line("of validation", self._batches, total, elapsed, self._judged), self._batches, total)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep its time apart from that of training."""
        if _amid_a_fit(trainer):
            self._validation_s += self.clock() - self._validation_start

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell how long it took."""
        if self.tells and trainer.global_step > self._first_step:
            elapsed = self.clock() - self._start
            line = f"{self._step(trainer)} after {duration(elapsed)}, {self._speed(elapsed)}"
            self.tell(line, trainer.global_step, self._total)
        self.end_bar()

    def _speed(self, elapsed: float) -> str:
        return rate(self._images, elapsed - self._validation_s, "images")

    def _place(self, trainer: Trainer) -> Iterator[str]:
        epochs = trainer.max_epochs
        yield f"epoch {trainer.current_epoch + 1}" + (f" of {epochs}" if epochs and epochs > 0 else "")
        yield self._step(trainer)

    def _step(self, trainer: Trainer) -> str:
        return f"step {trainer.global_step:,}" + ("" if math.isinf(self._total) else f" of {int(self._total):,}")


def _values(trainer: Trainer) -> Iterator[str]:
    logged = trainer.callback_metrics  # amid a step this waits for no other rank
    return (f"{name} {float(logged[name]):.4g}" for name in LOGGED if name in logged)


def _amid_a_fit(trainer: Trainer) -> bool:
    return trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
