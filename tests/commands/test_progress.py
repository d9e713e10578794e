import io
import re

import pytest
from rich.console import Console

from hieramp_lit.commands.progress import Progress

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def console(terminal: bool, width: int = 120) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, force_interactive=terminal, width=width)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def lines(console: Console) -> list[str]:
    return written(console).splitlines()


def test_a_log_has_the_first_line_the_last_and_one_every_ten_seconds(clock: Clock) -> None:
    log = console(terminal=False)
    with Progress("made", "images", console=log, clock=clock) as progress:
        for number in range(1, 101):
            clock.now += 0.25
            progress(number, 100)
    assert lines(log) == [
        "1 of 100 images made, 4.0 images/s, 0:00:25 left",
        "41 of 100 images made, 4.0 images/s, 0:00:15 left",
        "81 of 100 images made, 4.0 images/s, 0:00:05 left",
        "100 of 100 images made in 0:00:25, 4.0 images/s",
    ]
    assert "\r" not in written(log)
    assert "\x1b" not in written(log)


def test_a_single_thing_is_one_line_and_nothing_comes_twice(clock: Clock) -> None:
    log = console(terminal=False)
    with Progress("checked", console=log, clock=clock) as progress:
        clock.now += 2
        progress(1, 1)
        clock.now += 60
        progress(1, 1)
    assert lines(log) == ["1 of 1 shards checked in 0:00:02, 30.0 shards/min"]


def test_no_pace_is_known_before_the_first_is_done(clock: Clock) -> None:
    log = console(terminal=False)
    with Progress("checked", console=log, clock=clock) as progress:
        progress(0, 7)
    assert lines(log) == ["0 of 7 shards checked"]


def test_what_was_done_before_counts_for_no_pace(clock: Clock) -> None:
    log = console(terminal=False)
    with Progress("written", console=log, clock=clock) as progress:
        progress.start_from(80)
        clock.now += 10
        progress(90, 100)
    assert lines(log) == ["90 of 100 shards written, 1.0 shards/s, 0:00:10 left"]


def test_another_round_has_a_pace_of_its_own(clock: Clock) -> None:
    log = console(terminal=False)
    with Progress("checked", console=log, clock=clock) as progress:
        clock.now += 100
        progress(100, 100)
        clock.now += 2
        progress(1, 4)
        clock.now += 1
        progress(2, 4)
        clock.now += 1
        progress(4, 4)
    assert lines(log)[-1] == "4 of 4 shards checked in 0:00:04, 1.0 shards/s"


def test_phases_have_lines_of_their_own(clock: Clock) -> None:
    log = console(terminal=False)
    with Progress("judged", "sets", console=log, clock=clock) as progress:
        for number in (1, 2):
            with progress.phase("looked at", "images") as phase:
                clock.now += 5
                phase(50, 50)
            progress(number, 2)
    assert lines(log) == [
        "50 of 50 images looked at in 0:00:05, 10.0 images/s",
        "1 of 2 sets judged, 12.0 sets/min, 0:00:05 left",
        "50 of 50 images looked at in 0:00:05, 10.0 images/s",
        "2 of 2 sets judged in 0:00:10, 12.0 sets/min",
    ]


def test_a_phase_may_count_before_what_it_is_within(clock: Clock) -> None:
    terminal = console(terminal=True)
    with Progress("judged", "sets", console=terminal, clock=clock) as progress:
        with progress.phase("looked at", "images") as phase:
            phase(10, 50)
        progress(1, 1)
    assert written(terminal).count(HIDE) == written(terminal).count(SHOW) == 1
    assert "10 of 50" in written(terminal)


def test_a_terminal_has_one_display_with_rate_and_time_left(clock: Clock) -> None:
    terminal = console(terminal=True)
    with Progress("judged", "sets", console=terminal, clock=clock) as progress:
        clock.now += 10
        progress(1, 2)
        with progress.phase("looked at", "images") as phase:
            clock.now += 5
            phase(10, 50)
        clock.now += 5
        progress(2, 2)
    screen = written(terminal)
    assert "1 of 2 sets judged, 6.0 sets/min, 0:00:10 left" in screen
    assert "10 of 50 images looked at, 2.0 images/s, 0:00:20 left" in screen
    assert "2 of 2 sets judged in 0:00:20, 6.0 sets/min" in screen
    assert screen.count(HIDE) == screen.count(SHOW) == 1
    assert "images" not in screen.rpartition("2 of 2 sets")[0].rpartition("2 of 2 sets")[2]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_the_terminal_as_it_was(clock: Clock, kind: type[BaseException]) -> None:
    terminal = console(terminal=True)

    def fail_amid_a_phase() -> None:
        with Progress("judged", "sets", console=terminal, clock=clock) as progress:
            progress(0, 2)
            with progress.phase("looked at", "images") as phase:
                phase(10, 50)
                raise kind

    with pytest.raises(kind):
        fail_amid_a_phase()
    assert written(terminal).endswith("\n" + SHOW) or written(terminal).endswith(SHOW)
    assert written(terminal).count(HIDE) == written(terminal).count(SHOW) == 1


def test_what_fails_is_not_told_as_done(clock: Clock) -> None:
    log = console(terminal=False)

    def fail() -> None:
        with Progress("checked", console=log, clock=clock) as progress:
            progress(1, 3)
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fail()
    assert len(lines(log)) == 1


def test_outside_of_its_block_it_refuses_to_count() -> None:
    with pytest.raises(RuntimeError, match="inside of its `with` block"):
        Progress("checked")(1, 2)


def test_a_narrow_terminal_still_shows_rate_and_time_left(clock: Clock) -> None:
    terminal = console(terminal=True, width=50)
    with Progress("written into the folder of the set", "images", console=terminal, clock=clock) as progress:
        clock.now += 5
        progress(10, 50)
    words = " ".join(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|[━╸╺]", "", written(terminal)).split())
    assert "10 of 50 images written into the folder of the set, 2.0 images/s, 0:00:20 left" in words
