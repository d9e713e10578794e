"""How fast something goes and how long the rest takes, in the words of every progress display."""

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
    unit, length = next((one for one in _UNITS if for_one_second * one[1] >= 1), _UNITS[-1])
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
