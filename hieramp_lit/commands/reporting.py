"""The report that a trial, a sweep and the demo end with."""

from pathlib import Path

from rich.console import Console
from rich.text import Text

from hieramp_lit.commands.closing import command_line
from hieramp_lit.jobs import RunStoppedError

FILE = "report.html"


def end_with_report(source: Path, console: Console) -> list[Path]:
    """Write a page about what was made, ``report.html`` in its folder, and its figures beside it.

    One that cannot be written is warned of and costs nothing else: what it would tell of is there.

    Args:
        source: Folder of a trial, a sweep or a demo.
        console: Where to warn.

    Returns:
        The page; nothing if it could not be written.

    Raises:
        RunStoppedError: If a signal ends it.
    """
    output = source / FILE
    try:
        with console.status(f"writing {output}"):
            from hieramp_lit.report.content import figures_beside, write_report  # figures take seconds to import

            write_report([source], output, figures=figures_beside(output))
    except RunStoppedError:
        raise
    except Exception as error:  # whatever it is, hours of work are not to fail at a picture of them
        again = command_line("report", source, "-o", output)
        told = f"the report could not be written ({type(error).__name__}: {error}). All else is there: {again}"
        console.print(Text.assemble(("warning: ", "yellow"), told), soft_wrap=True)
        return []
    return [output]
