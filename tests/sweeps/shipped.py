"""The sweep files that ship, found by glob, and how a trial of one is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hieramp_lit.distill import Trial, read_command_line, read_trial
from hieramp_lit.files import write_json
from hieramp_lit.sweeps import SweepFile, read_sweep_file, trial_command

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "sweeps").rglob("*.yaml"))
DIGITS = [path for path in FILES if path.parent.name == "digits"]
TABLES = [path for path in FILES if path not in DIGITS]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT / "sweeps").with_suffix("").as_posix()


def read(name: str) -> SweepFile:
    return read_sweep_file(ROOT / "sweeps" / f"{name}.yaml")


def distill_trial(sweep: SweepFile, parameters: Mapping[str, Any], folder: Path) -> Trial:
    """A trial as `hieramp distill` reads it from the file's own command and what an agent would write."""
    file = folder / "parameters.json"
    write_json(file, dict(parameters))
    env, program, verb, *arguments = trial_command(sweep.command, sweep.program, parameters, file, {})
    assert (env, program, verb) == ("/usr/bin/env", "hieramp", "distill")
    settings, rest = read_command_line(arguments)
    assert rest == []
    return read_trial(settings)
