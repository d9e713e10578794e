"""What stands in for Lightning's bar where there is no terminal: a line of the log now and then."""

import math
import sys
import time
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar

from hieramp_lit.pace import duration, rate, seconds_left


class ProgressLines(Callback):
    """Base of the callbacks that tell how far a run is, on rank 0 alone.

    A bar in a log would be one line for all of the run, at its end, or thousands. So without a terminal Lightning's bar
    is switched off while the run lasts, and there are lines; in a terminal there is the bar. Where that is switched off
    (``trainer.enable_progress_bar: false``) there are lines, too.

    Args:
        seconds_between_lines: Least time between two lines.
        clock: Seconds that only go up.
    """

    def __init__(self, seconds_between_lines: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds_between_lines = seconds_between_lines
        self.clock = clock
        self.tells = False
        self._told: float | None = None
        self._switched_off: ProgressBar | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Choose between lines and Lightning's bar, which shows itself on standard output."""
        bar = trainer.progress_bar_callback
        terminal = sys.stdout.isatty()
        self.tells = trainer.is_global_zero and (bar is None or not terminal)
        if bar is not None and getattr(bar, "is_enabled", True) and trainer.is_global_zero and not terminal:
            bar.disable()
            self._switched_off = bar

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave Lightning's bar as it was."""
        self._switch_on()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave Lightning's bar as it was."""
        self._switch_on()

    def begin(self) -> float:
        """Start of something that is told of; the first line after it is due at once."""
        self._told = None
        return self.clock()

    def is_due(self, last: bool = False) -> bool:
        """Whether it is time for a line, which the caller then tells.

        Args:
            last: Whether there is no later one.
        """
        now = self.clock()
        early = self._told is not None and now - self._told < self.seconds_between_lines
        if not self.tells or (early and not last):
            return False
        self._told = now
        return True

    def _switch_on(self) -> None:
        if self._switched_off is not None:
            self._switched_off.enable()
            self._switched_off = None


def images_in(batch: Any) -> int:
    """Number of images of a batch of `data.batches`."""
    return len(batch[0])


def batches_line(done: str, batches: int, total: float, seconds: float, images: int) -> str:
    """What a line says of a pass over batches.

    Args:
        done: What was done to them.
        batches: How many are done.
        total: Of how many; infinite where nobody knows.
        seconds: In what time.
        images: How many images they held.
    """
    line = f"{batches:,}" + ("" if math.isinf(total) else f" of {int(total):,}") + f" batches {done}"
    left = None if math.isinf(total) else seconds_left(batches, total, seconds)
    remaining = f", {duration(left)} left" if left else f" in {duration(seconds)}" if left == 0 else ""
    return f"{line}{remaining}, {rate(images, seconds, 'images')}"
