"""Progress of commands that walk through shards or images."""

import time

from rich.console import Console


class ShardProgress:
    """Tells on standard error, every few seconds, how many shards are done and about how long the rest takes.

    Args:
        done: Word for a shard that is done, e.g. ``checked``.
        things: What is counted.
        seconds_between_lines: Least time between two lines.
    """

    def __init__(self, done: str, things: str = "shards", seconds_between_lines: float = 10.0) -> None:
        self._done = done
        self._things = things
        self._seconds_between_lines = seconds_between_lines
        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._start = self._told = time.monotonic()

    def __call__(self, number: int, total: int) -> None:
        """Count.

        Args:
            number: How many are done.
            total: How many there are.
        """
        now = time.monotonic()
        if now - self._told >= self._seconds_between_lines:
            self._told = now
            left = (now - self._start) / number * (total - number) / 60
            line = f"{number} of {total} {self._things} {self._done}, about {left:.0f} min left"
            self._console.print(line, markup=False)
