"""What stands in for Lightning's bar: one that knows the whole run in a terminal, a line now and then in a log."""

import math
import time
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.utilities import rank_zero_info
from rich.console import Console
from rich.progress import Progress, TaskID

from hieramp_lit.display import rich_bar, standard_error
from hieramp_lit.pace import duration, rate, seconds_left


class ProgressLines(Callback):
    """Base of the callbacks that tell how far a run is, on rank 0 alone.

    Lightning's bar knows an epoch and not the run, and in a log it would be one line at the end, or thousands. So it is
    switched off while the run lasts: a terminal gets a bar of ours instead, on standard error. A log gets lines, and so
    does a terminal where bars are switched off (``trainer.enable_progress_bar: false``).

    Args:
        seconds_between_lines: Least time between two lines.
        clock: Seconds that only go up.
        console: Where a bar is shown; by default standard error.
    """

    seconds_between_looks = 0.5
    """Least time between two states of a bar."""

    def __init__(
        self,
        seconds_between_lines: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        console: Console | None = None,
    ) -> None:
        self.seconds_between_lines = seconds_between_lines
        self.clock = clock
        self.console = console
        self.tells = False
        self._told: float | None = None
        self._switched_off: ProgressBar | None = None
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the place of Lightning's bar."""
        self.tells = trainer.is_global_zero
        bar = trainer.progress_bar_callback
        if bar is None or not trainer.is_global_zero:
            return
        if getattr(bar, "is_enabled", True):
            bar.disable()
            self._switched_off = bar
        console = standard_error() if self.console is None else self.console
        self._bar = rich_bar(console) if console.is_interactive else None

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave terminal and Lightning's bar as they were."""
        self._leave()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave terminal and Lightning's bar as they were."""
        self._leave()

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
        least = self.seconds_between_lines if self._bar is None else self.seconds_between_looks
        early = self._told is not None and now - self._told < least
        if not self.tells or (early and not last):
            return False
        self._told = now
        return True

    def tell(self, line: str, number: float, total: float) -> None:
        """Show how far it is.

        Args:
            line: In words.
            number: How much is done.
            total: Of how much; infinite where nobody knows.
        """
        if self._bar is None:
            rank_zero_info(line)
            return
        end = None if math.isinf(total) else total
        if self._task is None:
            self._task = self._bar.add_task(line, total=end)
            self._bar.start()
        self._bar.update(self._task, description=line, completed=number, total=end, refresh=True)

    def end_bar(self) -> None:
        """Let the bar stand as it is, before other messages come."""
        if self._bar is not None:
            self._bar.stop()

    def _leave(self) -> None:
        self.end_bar()
        self._bar = self._task = None
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
