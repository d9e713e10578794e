import pytest

from hieramp_lit.pace import SlowLines, duration, progress_line, rate, seconds_left


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
        (24_690, 2, "12,345 images/s"),
        (1, 4, "15.0 images/min"),
        (3, 3600, "3.0 images/h"),
        (1, 36_000, "0.1 images/h"),
        (0, 10, "0.0 images/s"),
    ],
)
def test_slow_things_are_counted_by_the_minute_or_the_hour(number: int, seconds: float, text: str) -> None:
    assert rate(number, seconds, "images") == text


def test_the_rest_takes_as_long_as_what_is_done() -> None:
    assert seconds_left(25, 100, 10) == 30
    assert seconds_left(100, 100, 10) == 0
    assert seconds_left(0, 100, 10) is None


def test_a_line_by_hand() -> None:
    assert (
        progress_line(1200, 4800, "shards", "checked", 60)
        == "1,200 of 4,800 shards checked, 20.0 shards/s, 0:03:00 left"
    )
    assert (
        progress_line(90, 100, "shards", "made", 10, before=80) == "90 of 100 shards made, 1.0 shards/s, 0:00:10 left"
    )
    assert progress_line(7, 7, "shards", "made", 7) == "7 of 7 shards made in 0:00:07, 1.0 shards/s"
    assert progress_line(0, 7, "shards", "made", 7) == "0 of 7 shards made"


@pytest.mark.parametrize(("seconds_each", "lines"), [(1, 0), (4, 2)])
def test_what_is_quickly_done_is_not_told_of(seconds_each: float, lines: int) -> None:
    now, told = [0.0], list[str]()
    slow = SlowLines("decoded", "images", told.append, clock=lambda: now[0])
    for number in range(1, 7):
        now[0] += seconds_each
        slow(number, 6)
    assert len(told) == lines
    if lines:  # after 12 s and 24 s
        assert told[0] == "3 of 6 images decoded, 15.0 images/min, 0:00:12 left"
        assert told[-1] == "6 of 6 images decoded in 0:00:24, 15.0 images/min"


def test_without_a_total_there_is_no_time_left() -> None:
    now, told = [0.0], list[str]()
    slow = SlowLines("loaded", "images", told.append, clock=lambda: now[0])
    for number in range(1, 7):
        now[0] += 5
        slow(number, 0)
    assert told == [f"{number} images loaded, 12.0 images/min" for number in (2, 4, 6)]
