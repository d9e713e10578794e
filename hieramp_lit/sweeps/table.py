"""Trials and their results as tables on the screen."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from hieramp_lit.sweeps.expansion import Trial
from hieramp_lit.sweeps.results import Row, as_text, ranked
from hieramp_lit.sweeps.sweep_file import Metric

_STYLES = {"done": "green", "failed": "red", "refused": "yellow", "running": "cyan", "waiting": "dim"}
_DEVIATION = "_std_sample"
_MOST_OF_A_REASON = 120  # characters


def trials_table(trials: Sequence[Trial]) -> Table:
    """What a sweep would run."""
    table = Table("index", "id", "parameters")
    names = short_names(trials)
    for index, trial in enumerate(trials):
        table.add_row(str(index), trial.id, Text(describe(trial, names)))
    return table


def results_table(rows: Sequence[Row], metric: Metric | None) -> Table:
    """Trials from best to worst, those without a number last."""
    table = Table("", "id", "status", "parameters")
    if metric:
        table.add_column(metric.name, justify="right")
    table.add_column("seconds", justify="right")
    names = short_names([row.trial for row in rows], varying=True)
    for place, row in enumerate(ranked(rows, metric), start=1):
        outcome, value = row.outcome, row.value(metric)
        what = describe(row.trial, names)
        if outcome.reason:
            reason = outcome.reason
            what += f"\n{reason if len(reason) <= _MOST_OF_A_REASON else reason[:_MOST_OF_A_REASON] + '…'}"
        cells: list[str | Text] = [
            "" if value is None else str(place),
            row.trial.id,
            Text(outcome.status, _STYLES[outcome.status]),
            Text(what),
            *([_number(row, metric)] if metric else []),
            "" if outcome.seconds is None else f"{outcome.seconds:.0f}",
        ]
        table.add_row(*cells)
    return table


def describe(trial: Trial, names: Mapping[str, str]) -> str:
    """A trial's parameters in a line, under the names of `short_names`."""
    return ", ".join(f"{names[name]}={as_text(value)}" for name, value in trial.flat().items() if name in names)


def short_names(trials: Sequence[Trial], varying: bool = False) -> dict[str, str]:
    """The last words of each parameter's name, as many as tell it from the others.

    Args:
        trials: Of a sweep.
        varying: Leave out parameters that are the same in all trials, if any differs.
    """
    every: dict[str, list[Any]] = {}
    for trial in trials:
        for name, value in trial.flat().items():
            every.setdefault(name, []).append(value)
    differ = [
        name for name, values in every.items() if len(values) < len(trials) or any(v != values[0] for v in values)
    ]
    kept = differ if varying and differ else list(every)
    short = {}
    for name in kept:
        words = name.split(".")
        endings = (".".join(words[-count:]) for count in range(1, len(words)))
        short[name] = next((end for end in endings if sum(_ends(other, end) for other in kept) == 1), name)
    return short


def _ends(name: str, end: str) -> bool:
    return f".{name}".endswith(f".{end}")


def _number(row: Row, metric: Metric) -> str:
    value = row.value(metric)
    if value is None:
        return ""
    deviation = (row.outcome.summary or {}).get(metric.name + _DEVIATION)
    return f"{value:.4g}" + ("" if deviation is None else f" ± {deviation:.2g}")
