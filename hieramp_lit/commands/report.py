"""`hieramp report`: the whole story of sets, trials, sweeps, students, comparisons or a demo on one page."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from hieramp_lit.commands import following
from hieramp_lit.commands.arguments import at_least_one
from hieramp_lit.commands.closing import close
from hieramp_lit.commands.progress import Progress
from hieramp_lit.report.content import build_report
from hieramp_lit.report.content.reading import KNOWN
from hieramp_lit.report.content.writing import LIMIT_BYTES, TOKEN_IMAGES, check_output, figures_beside
from hieramp_lit.report.page import write_page
from hieramp_lit.report.results import FILE as RESULT
from hieramp_lit.shards import ShardSet
from hieramp_lit.shards.format import MANIFEST
from hieramp_lit.shards.write_errors import explained

_MILLION = 1_000_000


def main(args: Sequence[str], prog: str) -> None:
    """Run the command.

    Args:
        args: Arguments after the command's name.
        prog: How the user called it, for the help text.

    Raises:
        FileNotFoundError: If a source does not exist.
        ShardError: If a set is damaged.
        ValueError: If a source is nothing that a report tells of, the page is too large, or would replace something.
    """
    options = build_parser(prog).parse_args(args)
    check_output(options.output)
    figures = (options.figures or figures_beside(options.output)) if options.draw_figures else None
    start = time.monotonic()
    with Progress("built", "sections") as progress:
        report = build_report(options.sources, options.against, progress, options.token_images)
    with explained(options.output.parent, key="--output", kept="What it tells of is as it was."):
        written = write_page(report, options.output, figures, options.limit_mb * _MILLION)
    shown = [path for path in written if figures is None or figures not in path.parents]
    if figures is not None:
        shown.append(figures)
    names = ", ".join(str(path) for path in options.sources)
    close(f"a report on {names}", shown, time.monotonic() - start, _next(options.sources, options.against))


def _next(sources: Sequence[Path], against: Path | None) -> str:
    """Tables of results; of sets alone an analysis of the first."""
    folders = [path if path.name == RESULT else _folder(path) for path in sources]
    results = [path for path in folders if not (path / MANIFEST).is_file()]
    if results:
        return following.table_of(results)
    other = None if against is None else ShardSet.open(against)
    return following.analyze_set(ShardSet.open(folders[0]), other)


def _folder(path: Path) -> Path:
    """The folder that is meant by the file in it which says what it is."""
    return path.parent if path.is_file() else path


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Tell the whole story on one page that needs nothing else, and write the same content as JSON "
        "beside it: what was made from what, images amplified and plain, saliency, tokens, accuracy beside random real "
        "images and the paper's numbers, students' curves and classes, failures, a sweep's heat maps and trials, cost. "
        "What is not there is named, with the command that makes it. Several sources are compared.",
        epilog=f"Example: {prog} runs/sweeps/digits/table3_stage_rho_beta -o sweep.html",
    )
    add = parser.add_argument
    add("sources", nargs="+", type=Path, metavar="SOURCE", help=f"folder of {KNOWN}, or that file")
    add(
        "-o", "--output", type=Path, default=Path("report.html"), metavar="FILE", help="the page (default: %(default)s)"
    )
    add(
        "--against", type=Path, metavar="SET",
        help="a set of the same classes and seed with nothing amplified, to lay beside",
    )  # fmt: skip
    add(
        "--figures", type=Path, metavar="FOLDER",
        help="where every figure is written as PNG and PDF (default: the page's name and _figures)",
    )  # fmt: skip
    add("--no-figures", dest="draw_figures", action="store_false", help="write the page and its JSON alone")
    add(
        "--token-images", type=at_least_one, default=TOKEN_IMAGES, metavar="N",
        help="count the tokens of N images at most, all sets together (default: %(default)s)",
    )  # fmt: skip
    add(
        "--limit-mb", type=at_least_one, default=LIMIT_BYTES // _MILLION, metavar="MB",
        help="largest page; pictures are made smaller to keep it (default: %(default)s)",
    )  # fmt: skip
    return parser
