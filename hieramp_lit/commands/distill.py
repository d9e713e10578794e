"""`hieramp distill`: one trial, from a schedule to the accuracy of students."""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from hieramp_lit.commands import following
from hieramp_lit.commands.closing import close, command_line
from hieramp_lit.commands.reporting import FILE as REPORT
from hieramp_lit.commands.reporting import end_with_report
from hieramp_lit.distill import (
    SUMMARY,
    Stages,
    Trial,
    TrialRefusedError,
    plan_stages,
    read_command_line,
    read_trial,
    reading,
    run_trial,
    show_stages,
    trial_folder,
)
from hieramp_lit.report.results import FILE as RESULT
from hieramp_lit.shards import ShardSet
from hieramp_lit.stages import StageError

_FAILED = 1
_REFUSED = 2


def main(args: Sequence[str], prog: str) -> None:
    """Run the command.

    Args:
        args: Arguments after the command's name.
        prog: How the user called it, for the help text.

    Raises:
        RunStoppedError: If a signal stopped a stage; the same command goes on.
        SystemExit: With 1 if a stage fails, 2 if the trial is refused.
    """
    try:
        settings, rest = read_command_line(args)
        options = build_parser(prog).parse_args(rest)
        trial = read_trial(settings)
        stages = plan_stages(trial)
    except TrialRefusedError as refusal:
        sys.stderr.write(f"\nrefused: {refusal}\n")
        sys.exit(_REFUSED)
    console = Console()
    out = trial_folder(trial, stages, options.out)
    if options.dry_run:
        show_stages(trial, stages, out, console)
        return
    start = time.monotonic()
    try:
        summary = run_trial(trial, stages, out, console, command_line("distill", *args))
    except StageError as error:
        told = ["", *error.last_lines(), "", f"error: {error}", f"Whole output: {error.log}",
                "The same command goes on from here.", ""]  # fmt: skip
        sys.stderr.write("\n".join(told))
        sys.exit(_FAILED)
    pages = end_with_report(out, console) if trial.report else []
    where = [stages.generate.folder, out / SUMMARY, out / RESULT, *pages]
    close(_what(trial, stages, summary), where, time.monotonic() - start, _next(trial, stages, out))


def _what(trial: Trial, stages: Stages, summary: Mapping[str, float]) -> str:
    accuracy = ""
    if stages.students is not None:
        accuracy = f": top-1 {100 * summary['student/top1_last']:.1f} % over {len(trial.seeds)} students"
        if stages.real_students is not None:
            accuracy += f", {100 * summary['real/top1_last']:.1f} % on random real images"
    return f"trial {trial.name}{accuracy}"


def _next(trial: Trial, stages: Stages, out: Path) -> str:
    if not trial.report:
        return command_line("report", out, "-o", out / REPORT)
    if stages.off is None:
        return command_line("sweep", "run", "FILE.yaml")
    return following.analyze_set(ShardSet.open(stages.generate.folder), ShardSet.open(stages.off.folder))


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's arguments."""
    return reading.build_parser(prog)
