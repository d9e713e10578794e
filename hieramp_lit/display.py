"""Where progress is shown: standard error, with a bar only where it is a terminal."""

import sys

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column


def standard_error(bars: bool = True) -> Console:
    """Standard error, interactive only in a terminal.

    Colours may be forced upon a log; a bar in it would be thousands of lines.

    Args:
        bars: False where another display runs, which a bar would overwrite.
    """
    interactive = bars and sys.stderr.isatty()
    return Console(stderr=True, soft_wrap=True, highlight=False, force_interactive=interactive)


def rich_bar(console: Console) -> Progress:
    """A bar before the description of each task, which says the rest."""
    return Progress(
        BarColumn(bar_width=20),
        TextColumn("{task.description}", markup=False, table_column=Column()),  # which wraps: the end of it counts most
        console=console,
        redirect_stdout=sys.stdout.isatty(),  # what goes into a pipe must not come here
    )
