"""`hieramp tables`: measured results beside the paper's."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hieramp_lit.commands import following
from hieramp_lit.commands.closing import close
from hieramp_lit.files import write_text
from hieramp_lit.report.collecting import collect
from hieramp_lit.report.paper import TABLES, TITLES
from hieramp_lit.report.paper_formats import FORMATS, render
from hieramp_lit.report.paper_table import lay_out, of_another_kind

_SOURCES = ("result.json", "sweep.json", "compare.json", "demo.json")


def main(args: Sequence[str], prog: str) -> None:
    """Run the command.

    Args:
        args: Arguments after the command's name.
        prog: How the user called it, for the help text.

    Raises:
        ValueError: If a file holds no results, or a folder none, or none of them is of the table's kind.
    """
    start = time.monotonic()
    options = build_parser(prog).parse_args(args)
    found = collect(options.results)
    if not found.measured:
        raise ValueError("There is nothing to lay beside the paper.\n" + "\n".join(found.left_out))
    left_out = [*found.left_out, *of_another_kind(found.measured, options.table)]
    tables = lay_out(found.measured, options.table)
    if not tables:
        raise ValueError("\n".join(["There is nothing to lay beside the paper.", *left_out]))
    text = render(tables, options.format, left_out)
    if options.format == "csv":
        sys.stderr.writelines(f"left out: {line}\n" for line in left_out)
    if options.out is None:
        sys.stdout.write(text)
    else:
        write_text(options.out, text)
    page = Path("report.html") if options.out is None else options.out.with_name("report.html")
    written = [] if options.out is None else [options.out]
    what = f"{len(found.measured)} result(s) beside the paper's, in {len(tables)} table(s)"
    close(what, written, time.monotonic() - start, _told_by(options.results, page))


def _told_by(results: Sequence[Path], page: Path) -> str:
    """The report on what it takes as it is: results, and folders that say by a file what they are."""
    known = [
        path for path in results if path.name == "result.json" or any((path / name).is_file() for name in _SOURCES)
    ]
    return following.report_on(known or [Path("SOURCE")], page)


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's arguments."""
    numbers = "; ".join(f"{name}: {TITLES[name]}" for name in TABLES)
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Lay measured results beside those of the HIERAMP paper: the paper's number, ours, the difference, "
        "seeds and protocol. A result finds its row by classes, images per class, generator, schedule, teacher and "
        "student. What has no number in the paper is shown in the form of the paper's table, with the reason.",
        epilog=f"Tables: {numbers}.",
    )
    parser.add_argument(
        "results", nargs="+", type=Path, metavar="RESULTS",
        help="result.json of students, cells or trials; inspect.json (Table 6); what `hieramp bench generate --out` "
        "wrote (Tables 8 and 9); or folders, which are searched for result.json and inspect.json",
    )  # fmt: skip
    parser.add_argument("--table", choices=TABLES, metavar="N", help="only this table, in its form (default: all)")
    parser.add_argument("--format", choices=FORMATS, default="markdown", help="default: markdown")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the tables there instead of showing them")
    return parser
