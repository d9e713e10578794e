"""What came of a sweep, in one table for people and programs: `sweep.csv` and `sweep.json`."""

import csv
import io
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hieramp_lit.files import read_json, write_json, write_text
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.lock import FolderLock
from hieramp_lit.sweeps.expansion import Trial
from hieramp_lit.sweeps.sweep_file import Metric, SweepFileError
from hieramp_lit.sweeps.sweep_folder import SweepFolder
from hieramp_lit.sweeps.trial_folder import Outcome, known_trials

CSV = "sweep.csv"
JSON = "sweep.json"
SCHEMA = 1

_FIXED_COLUMNS = ("id", "status", "reason", "seconds")
_PATIENCE = 30.0  # seconds that another process may take to write the two files


@dataclass(frozen=True)
class Row:
    """A trial and what came of it."""

    trial: Trial
    outcome: Outcome

    def value(self, metric: Metric | None) -> float | None:
        """Its number in the sweep's metric; None without one."""
        return (self.outcome.summary or {}).get(metric.name) if metric else None


def claim_sweep(folder: SweepFolder) -> None:
    """Keep what all trials of a folder have in common; refuse a folder of another command.

    Args:
        folder: Of the sweep. The file's parameters may grow, and its method change: trials are known by their own
            parameters.

    Raises:
        SweepFileError: If the folder holds trials of another command; or of other configurations, where its trials do
            not name theirs.
    """
    root, now = folder.root, folder.common
    with _alone(root):
        before = read_json(root / JSON)["common"] if (root / JSON).is_file() else now
        if before != now:
            raise SweepFileError(
                f"--out {root} holds trials of another command, or of a configuration that has changed since. Give "
                f"another folder, or delete this one.\nbefore: {json.dumps(before)}\nnow: {json.dumps(now)}"
            )
        if not (root / JSON).is_file():
            _write(folder, [])


def collect(folder: SweepFolder, trials: Sequence[Trial]) -> list[Row]:
    """Read what came of each trial, and write it to `sweep.csv` and `sweep.json`.

    Args:
        folder: Of the sweep.
        trials: Of the file. Others that the folder knows, of an earlier command, come behind them.

    Returns:
        One row a trial, in this order.

    Raises:
        OSError: If the files cannot be written.
        ShardError: If another process writes them all the time.
    """
    every = {trial.id: trial for trial in trials}
    every |= {trial.id: trial for trial in known_trials(folder.root) if trial.id not in every}
    folders = [folder.trial(trial) for trial in every.values()]  # may read configurations: not while others wait
    with _alone(folder.root):
        rows = [Row(one.trial, one.outcome()) for one in folders]
        _write(folder, rows)
    return rows


def ranked(rows: Sequence[Row], metric: Metric | None) -> list[Row]:
    """Rows from best to worst; those without a number behind them, in their order."""
    sign = -1.0 if metric and metric.goal == "maximize" else 1.0

    def place(row: Row) -> tuple[bool, float]:
        value = row.value(metric)
        return (value is None, 0.0 if value is None else sign * value)

    return sorted(rows, key=place)


def _write(folder: SweepFolder, rows: Sequence[Row]) -> None:
    sweep = folder.sweep
    write_text(folder.root / CSV, _csv(rows))
    metric = {"name": sweep.metric.name, "goal": sweep.metric.goal} if sweep.metric else None
    described = [
        {
            "id": row.trial.id,
            "status": row.outcome.status,
            "reason": row.outcome.reason,
            "seconds": row.outcome.seconds,
            "parameters": dict(row.trial.parameters),
            "summary": dict(row.outcome.summary) if row.outcome.summary is not None else None,
        }
        for row in rows
    ]
    content = {
        "schema": SCHEMA,
        "sweep": sweep.title,
        "file": str(sweep.path),
        "metric": metric,
        "common": folder.common,
        "trials": described,
    }
    write_json(folder.root / JSON, content)


def _csv(rows: Sequence[Row]) -> str:
    parameters = [row.trial.flat() for row in rows]
    summaries = [row.outcome.summary or {} for row in rows]
    names = list(dict.fromkeys(name for values in parameters for name in values))
    numbers = sorted({name for summary in summaries for name in summary})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_FIXED_COLUMNS, *names, *numbers])
    for row, values, summary in zip(rows, parameters, summaries, strict=True):
        outcome = row.outcome
        fixed = [row.trial.id, outcome.status, outcome.reason, "" if outcome.seconds is None else outcome.seconds]
        given = [as_text(values[name]) if name in values else "" for name in names]
        writer.writerow([*fixed, *given, *(summary.get(number, "") for number in numbers)])
    return text.getvalue()


def as_text(value: Any) -> str:
    """A parameter's value in a cell: words as they are, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Wait until no other process writes the sweep's own files."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            lock = FolderLock(root / "work", first=True, key="--out")
            break
        except ShardError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05 + 0.001 * (os.getpid() % 50))
    try:
        yield
    finally:
        lock.release()
