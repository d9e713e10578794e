"""Runs a trial's stages one after the other and writes what came of them. It computes nothing itself."""

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from hieramp_lit import __version__
from hieramp_lit.distill.planning import SHOWN, Stages
from hieramp_lit.distill.recording import is_agents_run, record
from hieramp_lit.distill.summary import FILE as SUMMARY
from hieramp_lit.distill.summary import collect, student_cells
from hieramp_lit.distill.trial import Trial
from hieramp_lit.files import read_json, write_json
from hieramp_lit.report import student_table
from hieramp_lit.report.results import FILE as RESULT
from hieramp_lit.stages import LiveStatus, StageRunner
from hieramp_lit.tracking import TrialRun

_log = logging.getLogger(__name__)

RECORDED = "recorded.json"
"""In a trial's folder: the section ``wandb`` under which its numbers were recorded last."""


def trial_folder(trial: Trial, stages: Stages, out: Path | None) -> Path:
    """Where a trial's results go."""
    return trial.store / "trials" / f"{trial.name}-{stages.hash[:SHOWN]}" if out is None else out


def show_stages(trial: Trial, stages: Stages, out: Path, console: Console) -> None:
    """Tell what would run, and what is done."""
    runner = StageRunner(trial.store, console)
    for name, stage in stages.named().items():
        seconds = runner.seconds(stage)
        done = "to run" if seconds is None else f"done, {seconds:.0f} s"
        console.print(f"{name} {stage.digest()[:SHOWN]}: {done}", markup=False)
        console.print(f"$ {stage.command_line}", soft_wrap=True, markup=False, highlight=False)
    console.print(f"Results: {out}", soft_wrap=True, markup=False)


def run_trial(trial: Trial, stages: Stages, out: Path, console: Console, command: str) -> dict[str, float]:
    """Run what is not done yet, then write ``result.json`` and ``summary.json``.

    Args:
        trial: The trial.
        stages: Its stages.
        out: Folder for the results.
        console: Where to show what happens.
        command: What was typed, to be kept with the results.

    Returns:
        The numbers of ``summary.json``.

    Raises:
        RunStoppedError: If a signal stopped a stage; the same call goes on.
        StageError: If a stage fails; likewise.
        ValueError: If a file in the store was replaced since it was used; the message names what to delete.
    """
    runner = StageRunner(trial.store, console)
    known = [runner.seconds(stage) is not None for stage in stages.named().values()]
    complete = (out / SUMMARY).is_file() and _hash_of(out) == stages.hash
    tracking = None if trial.tracking is None else {**asdict(trial.tracking), "tags": list(trial.tracking.tags)}
    recorded_before = complete and all(known) and not is_agents_run() and _recorded(out) == tracking
    if not complete:  # what lies there is of another trial, and must not be taken for this one's
        for name in (SUMMARY, RESULT, RECORDED):
            (out / name).unlink(missing_ok=True)
    with runner.passing_signals_on(), _run_of(None if recorded_before else trial, stages, out) as tracked:
        every = list(stages.named().values())
        with LiveStatus(console, lambda: runner.describe(every)):
            seconds = {name: runner.run(stage) for name, stage in stages.named().items()}
        versions = {name: runner.version(stage) for name, stage in stages.named().items()}
        for name, stage in stages.named().items():
            if versions[name] != __version__:
                _log.warning(
                    "%s was made by %s of hieramp_lit, and this is %s. Delete %s to make it anew.",
                    name, versions[name] or "an older version", __version__, stage.folder,
                )  # fmt: skip
        costs = {name: runner.cost(stage) for name, stage in stages.named().items()}
        result, summary = collect(trial, stages, seconds, versions, costs, command)
        write_json(out / RESULT, result)
        if tracked is not None:
            record(tracked, trial, stages, out, summary)
        write_json(out / SUMMARY, summary)  # last: who finds it finds all
    if tracked is not None and tracked.complete:
        write_json(out / RECORDED, tracking)
    _tell(trial, stages, summary, console)
    return summary


def _hash_of(out: Path) -> str | None:
    """Hash of the trial whose results lie in a folder."""
    return read_json(out / RESULT).get("trial", {}).get("hash") if (out / RESULT).is_file() else None


def _recorded(out: Path) -> Any:
    return read_json(out / RECORDED) if (out / RECORDED).is_file() else None


def _run_of(trial: Trial | None, stages: Stages, out: Path) -> "AbstractContextManager[TrialRun | None]":
    if trial is None or trial.tracking is None:
        return nullcontext()
    return TrialRun(trial.tracking, f"{trial.name}-{stages.hash[:SHOWN]}", trial.values, out)


def _tell(trial: Trial, stages: Stages, summary: Mapping[str, float], console: Console) -> None:
    titles = {"student": "distilled", "real": "random real"}
    cells = {titles[name]: cell for name, cell in reversed(student_cells(trial, stages).items())}
    if cells:
        console.print(student_table(cells))
    seconds = {name.removeprefix("seconds/"): value for name, value in summary.items() if name.startswith("seconds/")}
    parts = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    console.print(f"Time of the stages, when they ran: {parts}.", soft_wrap=True, markup=False, highlight=False)
