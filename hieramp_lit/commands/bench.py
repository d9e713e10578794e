"""`hieramp bench`: how fast generation, tuning, students and data are on this machine, side by side with plain ways."""

import argparse
import importlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from rich.console import Console

from hieramp_lit.bench.report import Report
from hieramp_lit.commands import following
from hieramp_lit.commands.closing import close, command_line
from hieramp_lit.commands.progress import Progress

BENCHES = {
    "generate": "Images from VAR: plain, with class tokens, amplified, and a plainly written baseline (Table 9).",
    "tune": "Steps of class-token tuning: from images and from cached tokens.",
    "student": "Steps of a student: from a bank on the device, and from a DataLoader with transforms on the CPU.",
    "data": "A student's batches alone, without the networks: the bank, and a DataLoader with transforms on the CPU.",
}
"""Each is `hieramp_lit.bench.NAME`, with ``add_arguments(parser)`` and ``run(options, progress) -> Report``."""


def main(args: Sequence[str], prog: str) -> None:
    """Run the command.

    Args:
        args: Arguments after the command's name.
        prog: How the user called it, for the help text.
    """
    start = time.monotonic()
    options = build_parser(prog).parse_args(args)
    with Progress("made", "runs") as progress:
        report = _module(options.bench).run(options, progress)
    report.show(Console(width=120))
    if options.out is not None:
        report.write(options.out)
    rows = sum(len(group.timings) for group in report.groups)
    written = [] if options.out is None else [options.out]
    close(f"{rows} row(s) timed", written, time.monotonic() - start, _after(options.bench, options.out))


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog=prog, description="Measure speed and memory on this machine; weights are random unless given."
    )
    benches = parser.add_subparsers(dest="bench", required=True, metavar="|".join(BENCHES))
    for name, summary in BENCHES.items():
        bench = benches.add_parser(name, help=summary, description=summary)
        bench.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 … (default: cuda where there is one)")
        bench.add_argument("--repeats", type=int, default=5, metavar="N", help="timed runs of each row (default: 5)")
        bench.add_argument("--warmup", type=int, default=1, metavar="N", help="runs of each before that (default: 1)")
        bench.add_argument("--out", type=Path, metavar="FILE", help="also write the numbers as JSON")
        _module(name).add_arguments(bench)
    return parser


def _after(bench: str, out: Path | None) -> str:
    """What was timed is run next; times of generation lie beside the paper's."""
    if bench == "generate":
        return command_line("predict", "--config", "GENERATE.yaml") if out is None else command_line("tables", out)
    return command_line("fit", "--config", "TOKEN_TUNING.yaml") if bench == "tune" else following.judge_set("SET")


class _Bench(Protocol):
    """What the modules of `BENCHES` have."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None: ...

    @staticmethod
    def run(options: argparse.Namespace, progress: Progress) -> Report: ...


def _module(name: str) -> _Bench:
    return cast(_Bench, importlib.import_module(f"hieramp_lit.bench.{name}"))
