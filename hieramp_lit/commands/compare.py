"""`hieramp compare`: the same students on several sets, beside random real images, in one table."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from hieramp_lit.commands import following
from hieramp_lit.commands.closing import close
from hieramp_lit.commands.progress import Progress, lines_alone
from hieramp_lit.comparison import Comparison, FullData, References, StudentArguments, compare
from hieramp_lit.comparison.cell import in_processes
from hieramp_lit.comparison.compare import NAME
from hieramp_lit.comparison.cross import reason
from hieramp_lit.report.comparison import SCORES, comparison_table
from hieramp_lit.stages import StageError, StageRunner


def main(args: Sequence[str], prog: str) -> None:
    """Run the command.

    Args:
        args: Arguments after the command's name.
        prog: How the user called it, for the help text.

    Raises:
        RunStoppedError: If a signal ends it; the same command goes on.
        RuntimeError: If a stage fails, with its reason.
        ValueError: If something does not fit.
    """
    start = time.monotonic()
    options, flags = build_parser(prog).parse_known_args(args)
    console = Console()
    references = References(options.out / "real", options.cache, options.real) if options.random_real else None
    comparison = Comparison(
        sets=tuple(options.sets),
        students=student_arguments(options.config, flags),
        seeds=tuple(options.seeds),
        out=options.out,
        references=references,
        scores=tuple(options.scores),
        full=None if options.full is None else FullData.of(options.full),
    )
    run = in_processes(lambda root: StageRunner(root, console), options.threads)
    try:
        with Progress("judged", "sets", console=lines_alone()) as progress:
            rows = compare(comparison, run, lambda line: console.print(line, markup=False, soft_wrap=True), progress)
    except StageError as error:
        raise RuntimeError(f"{error}\n{reason(error)}\nThe same command goes on from here.") from error
    console.print()
    console.print(comparison_table(rows))
    console.print(f"All numbers: {options.out / NAME}.json, .csv, .md", soft_wrap=True)
    after = following.report_on([options.out], options.out / "report.html")
    what = f"{len(options.sets)} set(s) judged by students of {len(options.seeds)} seed(s)"
    close(what, [options.out / f"{NAME}.json"], time.monotonic() - start, after)


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's own arguments; all others are those of ``hieramp fit``."""
    parser = argparse.ArgumentParser(
        prog=prog,
        usage=f"{prog} SET [SET …] --config STUDENT.yaml [--config PROTOCOL.yaml] --seeds N [N …] --out FOLDER "
        "[--model.KEY VALUE] …",
        description="Train the same students on several sets and on random real images of the same classes, number and "
        "size, and lay the accuracies side by side. What is trained is not trained again; a set that has changed is. "
        "The same command continues where it stopped.",
        epilog="All other arguments are those of `hieramp fit`; they override the configurations.",
        allow_abbrev=False,
    )
    parser.add_argument("sets", type=Path, nargs="+", metavar="SET", help="folders that `hieramp predict` wrote")
    add_student_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder for results and tables")
    parser.add_argument(
        "--no-random-real", dest="random_real", action="store_false", help="do without random real images and IOR"
    )
    parser.add_argument(
        "--real", type=Path, metavar="CONFIG",
        help="configuration of `hieramp predict` that makes random real images, e.g. "
        "configs/generate/imagenet_real.yaml; by default they are the training part of the students' data.validation",
    )  # fmt: skip
    parser.add_argument(
        "--cache", type=Path, default=Path("runs/random_real"), metavar="FOLDER",
        help="where random real images and their students are kept for all comparisons (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--scores", nargs="+", choices=SCORES, default=[],
        help="further scores, with the students that they need: hard-label recovery, label-robust score, "
        "augmentation-robust score (DD-Ranking)",
    )  # fmt: skip
    parser.add_argument(
        "--full", metavar="RESULT.json|NUMBER",
        help="accuracy in [0, 1] of the student on the full data with hard labels; for hlr and lrs; a result must "
        "be of the same network and validation images, a number is taken as it is",
    )  # fmt: skip
    return parser


def add_student_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the commands that train students in processes of their own."""
    parser.add_argument(
        "--config", action="append", default=[], metavar="FILE",
        help="configuration of the students, configs/student/….yaml, and more on top of it, e.g. a protocol",
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", required=True, metavar="N", help="the students' seeds")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads of a training (default: torch's choice)")


def student_arguments(configs: Sequence[str], flags: Sequence[str]) -> StudentArguments:
    """How students are trained: configurations, then flags.

    Raises:
        ValueError: If there is no configuration, or a flag is one of the command's own.
    """
    if not configs:
        raise ValueError("--config is missing: give the students' configuration, e.g. configs/student/digits.yaml.")
    return StudentArguments((*(word for config in configs for word in ("--config", config)), *flags))
