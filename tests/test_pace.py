import pytest

from hieramp_lit.pace import duration, rate, seconds_left


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00:00"), (59.6, "0:01:00"), (3599, "0:59:59"), (3661, "1:01:01"), (360_000, "100:00:00")],
)
def test_durations_are_hours_minutes_seconds(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "seconds", "text"),
    [
        (123, 10, "12.3 images/s"),
        (5, 5, "1.0 images/s"),
        (1, 4, "15.0 images/min"),
        (3, 3600, "3.0 images/h"),
        (1, 36_000, "0.1 images/h"),
        (0, 10, "0.0 images/h"),
    ],
)
def test_slow_things_are_counted_by_the_minute_or_the_hour(number: int, seconds: float, text: str) -> None:
    assert rate(number, seconds, "images") == text


def test_the_rest_takes_as_long_as_what_is_done() -> None:
    assert seconds_left(25, 100, 10) == 30
    assert seconds_left(100, 100, 10) == 0
    assert seconds_left(0, 100, 10) is None
