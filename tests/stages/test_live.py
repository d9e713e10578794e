"""What goes on is told now and then in a log, and in place in a terminal."""

import io
import time
from pathlib import Path

import pytest
from rich.console import Console

from hieramp_lit.stages import LiveStatus, last_progress


def test_a_log_gets_a_line_now_and_then() -> None:
    screen, asked = io.StringIO(), []

    def describe() -> str:
        asked.append(len(asked))
        return f"[red] {len(asked)} done"

    with LiveStatus(Console(file=screen), describe, seconds_between_lines=0.02):
        until = time.monotonic() + 20
        while len(asked) < 3 and time.monotonic() < until:
            time.sleep(0.01)
    lines = screen.getvalue().splitlines()
    assert lines == [f"[red] {n} done" for n in range(1, len(asked) + 1)]
    assert len(lines) >= 3
    before = len(asked)
    time.sleep(0.1)
    assert len(asked) == before  # it has ended


def test_a_log_of_something_short_gets_none() -> None:
    screen = io.StringIO()
    with LiveStatus(Console(file=screen), lambda: "working"):
        pass
    assert screen.getvalue() == ""


def test_a_terminal_is_left_as_it_was_also_after_an_error() -> None:
    screen = io.StringIO()
    with pytest.raises(KeyboardInterrupt), LiveStatus(Console(file=screen, force_terminal=True), lambda: "working [1]"):
        raise KeyboardInterrupt
    assert "working [1]" in screen.getvalue()
    assert screen.getvalue().count("\x1b[?25l") == screen.getvalue().count("\x1b[?25h") == 1  # cursor hidden and shown


@pytest.mark.parametrize(
    ("log", "last"),
    [
        ("$ hieramp fit\n", ""),
        ("$ hieramp fit\nloading\n\n", "loading"),
        ("$ hieramp fit\nepoch 1:  50%\rEpoch 1: 100%\r   \n", "Epoch 1: 100%"),
        (
            "$ hieramp fit\nstep 9\ndone:  weights\nwhere: here\ntook:  0:00:01\nnext:  hieramp predict\n",
            "done:  weights",
        ),
        ("earlier attempt\n$ hieramp fit\n", ""),
        ("\x1b[2K\x1b[32mepoch 3\x1b[0m\n", "epoch 3"),
        ("x" * 20_000 + "\n" + "ä" * 300, "ä" * 160),
        ("", ""),
    ],
)
def test_the_last_thing_that_a_command_said(log: str, last: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert last_progress(path) == ""
    path.write_text(log, encoding="utf-8")
    assert last_progress(path) == last
