"""`hieramp cross`: students of several architectures under several teachers on one set, in one table."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from hieramp_lit.commands.closing import close, command_line
from hieramp_lit.commands.compare import add_student_arguments, student_arguments
from hieramp_lit.commands.progress import Progress, lines_alone
from hieramp_lit.comparison import CrossArchitecture, cross, parse_teacher
from hieramp_lit.comparison.cell import in_processes
from hieramp_lit.comparison.cross import NAME
from hieramp_lit.report.cross import cross_table
from hieramp_lit.stages import StageRunner


def main(args: Sequence[str], prog: str) -> None:
    """Run the command.

    Args:
        args: Arguments after the command's name.
        prog: How the user called it, for the help text.

    Raises:
        RunStoppedError: If a signal ends it; the same command goes on.
        SystemExit: With code 1 if a cell failed.
        ValueError: If something does not fit.
    """
    start = time.monotonic()
    options, flags = build_parser(prog).parse_known_args(args)
    console = Console()
    crossed = CrossArchitecture(
        shards=options.set,
        arguments=student_arguments(options.config, flags),
        teachers=tuple(map(parse_teacher, options.teachers)),
        students=tuple(options.students),
        seeds=tuple(options.seeds),
        out=options.out,
    )
    run = in_processes(lambda root: StageRunner(root, console), options.threads)
    with Progress("trained", "cells", console=lines_alone()) as progress:
        outcomes = cross(crossed, run, lambda line: console.print(line, markup=False, soft_wrap=True), progress)
    console.print()
    console.print(cross_table(outcomes))
    console.print(f"All numbers: {options.out / NAME}.json, .csv, .md", soft_wrap=True)
    failures = {pair: outcome for pair, outcome in outcomes.items() if isinstance(outcome, str)}
    if failures:
        lines = [f"  {student} taught by {teacher}: {why}" for (teacher, student), why in failures.items()]
        sys.stderr.write("\n".join([f"\nerror: {len(failures)} cell(s) failed:", *lines, ""]))
        sys.exit(1)
    what = f"{len(outcomes)} cell(s) trained with {len(options.seeds)} seed(s) each"
    close(what, [options.out / f"{NAME}.json"], time.monotonic() - start, command_line("tables", options.out))


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's own arguments; all others are those of ``hieramp fit``."""
    parser = argparse.ArgumentParser(
        prog=prog,
        usage=f"{prog} SET --config STUDENT.yaml [--config PROTOCOL.yaml] --teachers NAME[=CHECKPOINT] … "
        "--students NAME … --seeds N [N …] --out FOLDER [--model.KEY VALUE] …",
        description="Train students of several architectures under several teachers on one set (Table 2 of HIERAMP), "
        "and lay the accuracies out as teachers × students. What is trained is not trained again; a cell that fails "
        "does not stop the others. The same command continues where it stopped.",
        epilog="All other arguments are those of `hieramp fit`; they override the configurations.",
        allow_abbrev=False,
    )
    parser.add_argument("set", type=Path, metavar="SET", help="folder that `hieramp predict` wrote")
    add_student_arguments(parser)
    parser.add_argument(
        "--teachers", nargs="+", required=True, metavar="NAME[=CHECKPOINT]",
        help="architectures with published weights, or with weights of yours: resnet18 mobilenet_v2=weights/x.pth; "
        "their other settings are those of model.teacher in the configuration",
    )  # fmt: skip
    parser.add_argument("--students", nargs="+", required=True, metavar="NAME", help="architectures of the students")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder for results and tables")
    return parser
