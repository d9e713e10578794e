"""Which trial of `hieramp distill` a command line asks for, read as that command itself reads it."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

_PROGRAMS = {"hieramp", "hieramp_lit"}
_VERB = "distill"


def trial_hash(command: Sequence[str]) -> str | None:
    """Hash of a trial, as the ``result.json`` of the trial holds it; takes about half a second.

    Args:
        command: Words of a command line.

    Returns:
        64 hexadecimal digits; empty for a trial that cannot be read, or is refused; None for another command than
        `hieramp distill`.
    """
    arguments = _arguments(command)
    if arguments is None:
        return None
    # Imports that take seconds, which no other command needs.
    from hieramp_lit.distill import plan_stages, read_command_line, read_trial

    try:
        settings, _ = read_command_line(arguments)
        return plan_stages(read_trial(settings)).hash
    except Exception:  # whatever it is, the command itself stops at it too and says so; no other trial does
        return ""


def _arguments(command: Sequence[str]) -> Sequence[str] | None:
    for place, (program, verb) in enumerate(pairwise(command)):
        if Path(program).name in _PROGRAMS and verb == _VERB:
            return command[place + 2 :]
    return None
