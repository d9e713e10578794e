"""Progress of a generation run: images per second, shards done, time left."""

import sys
import time
from typing import cast

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from hieramp_lit.callbacks.shard_writer import ShardWriter, plan_of
from hieramp_lit.data.batches import PlanBatch
from hieramp_lit.data.plan import RemainingShards
from hieramp_lit.generate.base import Generated
from hieramp_lit.pace import duration, rate, seconds_left
from hieramp_lit.shards.format import sidecar_name


class GenerationProgress(Callback):
    """Shows how far a generation is: a bar in a terminal, a log line now and then elsewhere.

    Images and time are those of rank 0's share; of several ranks it also counts the shards that all have completed.

    It stands in for Lightning's bar, which knows neither images nor shards, and is as silent where that is switched off
    (``trainer.enable_progress_bar: false`` leaves the log lines).

    Args:
        seconds_between_lines: Least time between two log lines.
    """

    def __init__(self, seconds_between_lines: float = 10.0) -> None:
        self.seconds_between_lines = seconds_between_lines
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._images = self._total_images = 0
        self._shards = self._total_shards = 0
        self._start = self._last_line = 0.0
        self._of_all = ""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Switch Lightning's bar off: two live displays would overwrite each other."""
        bar = trainer.progress_bar_callback
        if bar is not None and trainer.is_global_zero and sys.stderr.isatty():
            self._bar = _rich_bar()
        if bar is not None:
            bar.disable()

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the work."""
        work = cast(RemainingShards, trainer.predict_dataloaders)  # the plan itself would fit its batch size anew
        self._images, self._total_images = 0, work.num_images
        self._shards, self._total_shards = 0, len(work.shards)
        self._start = self._last_line = time.monotonic()
        self._count_all(trainer)
        if self._bar is not None and work.num_images:
            self._task = self._bar.add_task("Generating", total=work.num_images, detail=self._detail())
            self._bar.start()

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Generated,
        batch: PlanBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count one batch."""
        self._images += len(batch.row)
        shard, last = int(batch.shard[0]), int(batch.position[-1])
        if last == len(plan_of(trainer).plan.positions(shard)) - 1:
            self._shards += 1
            self._count_all(trainer)
        if self._bar is not None:
            self._bar.update(self._task, completed=self._images, detail=self._detail())
            return
        now = time.monotonic()
        if now - self._last_line >= self.seconds_between_lines or self._images == self._total_images:
            self._last_line = now
            self._count_all(trainer)
            rank_zero_info(f"{self._images} of {self._total_images} images, {self._detail()}{self._time_left()}")

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the terminal as it was."""
        self._stop(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave the terminal as it was."""
        self._stop(trainer)

    def _stop(self, trainer: Trainer) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if trainer.progress_bar_callback is not None:
            trainer.progress_bar_callback.enable()

    def _count_all(self, trainer: Trainer) -> None:
        """Look into the folder, which all ranks share: sidecars stand for complete shards."""
        writers = [callback for callback in _callbacks(trainer) if isinstance(callback, ShardWriter)]
        if trainer.world_size > 1 and trainer.is_global_zero and writers:
            done = len(list(writers[0].folder.glob(sidecar_name(0).replace("000000", "*"))))
            total = plan_of(trainer).plan.num_shards
            self._of_all = f" by rank 0 of {trainer.world_size}, which have {done} of {total}"

    def _detail(self) -> str:
        speed = rate(self._images, time.monotonic() - self._start, "images")
        return f"{self._shards} of {self._total_shards} shards{self._of_all}, {speed}"

    def _time_left(self) -> str:
        left = seconds_left(self._images, self._total_images, time.monotonic() - self._start)
        return f", {duration(left)} left" if left else ""


def _callbacks(trainer: Trainer) -> list[Callback]:
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return callbacks


def _rich_bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("images, {task.fields[detail]}, left:"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
