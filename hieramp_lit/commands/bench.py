"""`hieramp bench`: how fast generation, tuning, students and data are on this machine, side by side with plain ways."""

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from rich.console import Console

from hieramp_lit.bench.report import Report

BENCHES = {
    "generate": "Images from VAR: plain, with class tokens, amplified, and a plainly written baseline (Table 9).",
    "tune": "Steps of class-token tuning: from images and from cached tokens.",
    "student": "Steps of a student: from a bank on the device, and from a DataLoader with transforms on the CPU.",
    "data": "A student's batches alone, without the networks: the bank, and a DataLoader with transforms on the CPU.",
}
"""Each is `hieramp_lit.bench.NAME`, with ``add_arguments(parser)`` and ``run(options) -> Report``."""


def main(args: Sequence[str], prog: str) -> None:
    """Run the command.

    Args:
        args: Arguments after the command's name.
        prog: How the user called it, for the help text.
    """
    options = build_parser(prog).parse_args(args)
    report = _module(options.bench).run(options)
    report.show(Console(width=120))
    if options.out is not None:
        report.write(options.out)


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


class _Bench(Protocol):
    """What the modules of `BENCHES` have."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None: ...

    @staticmethod
    def run(options: argparse.Namespace) -> Report: ...


def _module(name: str) -> _Bench:
    return cast(_Bench, importlib.import_module(f"hieramp_lit.bench.{name}"))
