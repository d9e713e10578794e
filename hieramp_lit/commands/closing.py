"""The end of a command, in a few lines: what was made, where it is, how long it took, what to type next."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from hieramp_lit.pace import duration


def close(
    what: str, where: Sequence[Path], seconds: float, next_command: str | None, *, console: Console | None = None
) -> None:
    """Tell it on standard error, so that standard output stays what a pipe expects.

    For commands that did what they were asked for; one that failed or was interrupted says so instead.

    Args:
        what: What was made or found, in a few words, e.g. ``600 images of 10 classes``.
        where: Files or folders that were written; none for a command that writes none.
        seconds: How long it took.
        next_command: A whole line to type, see `command_line`; None where nothing follows.
        console: Where to tell it instead.
    """
    lines = [f"done:  {what}", *(f"where: {path}" for path in where), f"took:  {duration(seconds)}"]
    if next_command is not None:
        lines.append(f"next:  {next_command}")
    console = Console(stderr=True) if console is None else console
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def command_line(*words: object) -> str:
    """A `hieramp` command that a shell takes as it is.

    Args:
        words: What follows `hieramp`; paths and numbers too. What the user has to fill in is a word in capitals.
    """
    return shlex.join(["hieramp", *map(str, words)])
