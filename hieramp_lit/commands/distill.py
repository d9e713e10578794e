"""`hieramp distill`: one trial, from a schedule to the accuracy of students."""

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from hieramp_lit.distill import (
    TrialRefusedError,
    plan_stages,
    read_command_line,
    read_trial,
    reading,
    run_trial,
    show_stages,
    trial_folder,
)
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
    try:
        run_trial(trial, stages, out, console)
    except StageError as error:
        told = ["", *error.last_lines(), "", f"error: {error}", f"Whole output: {error.log}",
                "The same command goes on from here.", ""]  # fmt: skip
        sys.stderr.write("\n".join(told))
        sys.exit(_FAILED)


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's arguments."""
    return reading.build_parser(prog)
