"""What goes on while others work: a line that changes in a terminal, a line now and then in a log."""

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

from hieramp_lit.stages.stage import PROMPT

_BETWEEN_LOOKS = 1.0  # seconds, in a terminal
_BETWEEN_LINES = 30.0  # seconds, in a log
_END_OF_LOG = 8192  # bytes
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_MOST_OF_A_LINE = 160  # characters
_OF_THE_CLOSING = ("where: ", "took:  ", "next:  ")
"""Of a command's last lines, what its own user would do next, and not who waits for it."""


class LiveStatus:
    """Shows again and again what goes on, until the `with` block ends.

    Args:
        console: Where to show it. Lines that are printed there meanwhile appear above.
        describe: What goes on now, a line or several; called from a thread of its own.
        seconds_between_lines: In a log.
    """

    def __init__(
        self, console: Console, describe: Callable[[], str], seconds_between_lines: float = _BETWEEN_LINES
    ) -> None:
        self._console = console
        self._describe = describe
        self._interval = _BETWEEN_LOOKS if console.is_terminal else seconds_between_lines
        self._status: Status | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="live status", daemon=True)

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._console.is_terminal:
            self._status = Status(self._text(), console=self._console)
            self._status.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, and leave the terminal as it was."""
        self._ended.set()
        self._thread.join()
        if self._status is not None:
            self._status.stop()

    def _watch(self) -> None:
        while not self._ended.wait(self._interval):
            if self._status is not None:
                self._status.update(self._text())
            else:
                self._console.print(self._text(), soft_wrap=True)

    def _text(self) -> Text:
        # Text and not markup: what goes on may hold brackets.
        return Text(self._describe(), no_wrap=True, overflow="ellipsis")


def last_progress(log: Path) -> str:
    """The last line that a command which still runs has said, a bar's present state included; empty for none yet.

    Args:
        log: Its whole output, of this and earlier attempts.
    """
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _END_OF_LOG))
        said = file.read().decode(errors="replace")
        lines = [_ESCAPES.sub("", line).strip() for line in re.split(r"[\r\n]+", said)]
        line = next((line for line in reversed(lines) if line and not line.startswith(_OF_THE_CLOSING)), "")
        return "" if line.startswith(PROMPT) else line[:_MOST_OF_A_LINE]
    return ""
