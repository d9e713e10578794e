"""How fast something goes and how long the rest takes, in the words of every progress display."""

import time
from collections.abc import Callable

_UNITS = (("s", 1.0), ("min", 60.0), ("h", 3600.0))


def duration(seconds: float) -> str:
    """Seconds as ``h:mm:ss``, rounded to whole ones."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def rate(number: float, seconds: float, things: str) -> str:
    """Things a second, e.g. ``12.3 images/s``; of slow ones the number a minute or an hour, so that it is above 1.

    Args:
        number: How many were done, 0 or more.
        seconds: In what time; 0 or less is taken for an instant.
        things: What they are, in the plural.
    """
    for_one_second = number / max(seconds, 1e-9)
    unit, length = next((one for one in _UNITS if for_one_second * one[1] >= 1), _UNITS[-1 if number else 0])
    shown = for_one_second * length
    return f"{shown:,.1f} {things}/{unit}" if shown < 1000 else f"{shown:,.0f} {things}/{unit}"


def seconds_left(number: float, total: float, seconds: float) -> float | None:
    """How long the rest takes at the mean pace so far; None before the first is done.

    Args:
        number: How many were done.
        total: Of how many, both counted from the same start.
        seconds: In what time.
    """
    return seconds / number * (total - number) if number > 0 else None


def progress_line(number: int, total: int, things: str, done: str, seconds: float, before: int = 0) -> str:
    """How much is done, how fast it goes, and how long the rest takes; at the end, how long all took.

    Args:
        number: How many are done.
        total: Of how many.
        things: What is counted, in the plural.
        done: Word for what is done, e.g. ``checked``.
        seconds: In what time.
        before: How many were done before that time, which count for no pace.
    """
    line = f"{number:,} of {total:,} {things} {done}"
    left = seconds_left(number - before, total - before, seconds)
    if left is None:
        return line
    speed = rate(number - before, seconds, things)
    return f"{line}, {speed}, {duration(left)} left" if number < total else f"{line} in {duration(seconds)}, {speed}"


class SlowLines:
    """Tells now and then of something that takes long, and nothing of what is quickly done.

    For what a run does before it begins, such as decoding its images.

    Args:
        done: Word for what is done, e.g. ``decoded``.
        things: What is counted, in the plural.
        tell: Gets a line, e.g. a logger's `info`.
        clock: Seconds that only go up.
        seconds_between_lines: Least time before the first line, and between two.
    """

    def __init__(
        self,
        done: str,
        things: str,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        seconds_between_lines: float = 10.0,
    ) -> None:
        self._done = done
        self._things = things
        self._tell = tell
        self._clock = clock
        self._seconds_between_lines = seconds_between_lines
        self._start = self._told = clock()

    def __call__(self, number: int, total: int) -> None:
        """Count.

        Args:
            number: How many are done.
            total: How many there are; 0 where nobody knows.
        """
        now = self._clock()
        last = number == total and self._told > self._start
        if last or now - self._told >= self._seconds_between_lines:
            self._told, seconds = now, now - self._start
            if total:
                self._tell(progress_line(number, total, self._things, self._done, seconds))
            else:
                self._tell(f"{number:,} {self._things} {self._done}, {rate(number, seconds, self._things)}")
