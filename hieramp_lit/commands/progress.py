"""Progress of commands that count what they do: a bar in a terminal, a line now and then in a log."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress as RichProgress
from rich.progress import TaskID

from hieramp_lit.display import rich_bar, standard_error
from hieramp_lit.pace import progress_line


class Progress:
    """Tells on standard error how much is done, how fast it goes and how long the rest takes.

    In a terminal a bar. Elsewhere a line for the first call and for the last, when all is done, and between them one
    every `seconds_between_lines`; none comes twice. Works inside of a `with` block, which leaves the terminal as it
    was, also after an exception::

        with Progress("checked", "shards") as progress:
            for number, shard in enumerate(shards, 1):
                check(shard)
                progress(number, len(shards))

    A smaller number than before begins another round, with a pace of its own since the last call.

    Args:
        done: Word for what is done, e.g. ``checked``.
        things: What is counted, in the plural.
        console: Where to tell it; by default standard error.
        clock: Seconds that only go up.
        seconds_between_lines: Least time between two lines of a log.
    """

    def __init__(
        self,
        done: str,
        things: str = "shards",
        *,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
        seconds_between_lines: float = 10.0,
    ) -> None:
        self._done = done
        self._things = things
        self._console = standard_error() if console is None else console
        self._clock = clock
        self._seconds_between_lines = seconds_between_lines
        self._bar: RichProgress | None = None
        self._outer: Progress | None = None
        self._task: TaskID | None = None
        self._inside = False
        self._last: tuple[int, int | None] = 0, None
        self._before, self._start, self._told, self._counted = 0, 0.0, 0.0, 0.0

    def __enter__(self) -> Self:
        """Start the clock."""
        self._inside = True
        self._begin(0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        self._inside = False
        if self._bar is None:
            return
        if self._outer is None:
            self._bar.stop()
        elif self._task is not None:
            self._bar.remove_task(self._task)
        self._bar = self._task = None

    def start_from(self, number: int) -> None:
        """Begin with things that were done before, which count for no pace."""
        self._begin(number)

    def phase(self, done: str, things: str) -> "Progress":
        """Progress of something within this one, for a `with` block inside of this one's.

        In a terminal it has a line of its own below this one's while it lasts.

        Args:
            done: As for this one.
            things: Likewise.
        """
        inner = Progress(
            done, things, console=self._console, clock=self._clock, seconds_between_lines=self._seconds_between_lines
        )
        inner._outer = self
        return inner

    def __call__(self, number: int, total: int) -> None:
        """Count.

        Args:
            number: How many are done.
            total: How many there are.

        Raises:
            RuntimeError: Outside of the `with` block.
        """
        if not self._inside:
            raise RuntimeError("Progress counts inside of its `with` block only, which puts the terminal in order.")
        if number < self._last[0]:
            self._begin(0, self._counted)
        elif self._last == (number, None):  # nothing was done since the start, which is now
            self._begin(number)
        if (number, total) == self._last:
            return
        first, now = self._last[1] is None, self._clock()
        self._last, self._counted = (number, total), now
        line = progress_line(number, total, self._things, self._done, now - self._start, self._before)
        if self._console.is_interactive:
            self._show(number, total, line)
        elif first or number >= total or now - self._told >= self._seconds_between_lines:
            self._told = now
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _begin(self, number: int, at: float | None = None) -> None:
        self._before = number
        self._start = self._told = self._counted = self._clock() if at is None else at
        self._last = number, None

    def _show(self, number: int, total: int, line: str) -> None:
        if self._bar is None:
            self._bar = self._shared_bar()
        if self._task is None:
            self._task = self._bar.add_task(line, total=total)
            self._bar.start()
        self._bar.update(self._task, completed=number, total=total, description=line, refresh=number >= total)

    def _shared_bar(self) -> RichProgress:
        """One display for all that are within each other: of two, each would overwrite the other."""
        if self._bar is None:
            self._bar = rich_bar(self._console) if self._outer is None else self._outer._shared_bar()
        return self._bar


def lines_alone() -> Console:
    """Where a progress tells lines and shows no bar, beside another display."""
    return standard_error(bars=False)
