"""Progress of commands that walk through shards."""

import time

from rich.console import Console


class ShardProgress:
    """Tells on standard error, every few seconds, how many shards are done and about how long the rest takes.

    Args:
        done: Word for a shard that is done, e.g. ``checked``.
        seconds_between_lines: Least time between two lines.
    """

    def __init__(self, done: str, seconds_between_lines: float = 10.0) -> None:
        self._done = done
        self._seconds_between_lines = seconds_between_lines
        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._start = self._told = time.monotonic()

    def __call__(self, number: int, total: int) -> None:
        """Count.

        Args:
            number: Shards that are done.
            total: Shards in all.
        """
        now = time.monotonic()
        if now - self._told >= self._seconds_between_lines:
            self._told = now
            left = (now - self._start) / number * (total - number) / 60
            self._console.print(f"{number} of {total} shards {self._done}, about {left:.0f} min left", markup=False)
