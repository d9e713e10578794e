"""What a sweep varied, as coordinates: of every trial, and as panels of β × ρ for each stage."""

import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from hieramp_lit.figures.heatmaps import Panel
from hieramp_lit.figures.parallel import Axis
from hieramp_lit.report.content.read_sweep import Sweep, SweptTrial, is_off
from hieramp_lit.sweeps import Trial, short_names
from hieramp_lit.var import STAGES

OFF = "off"
SCHEDULE_AXES = ("amplified stages", "β", "ρ, %")
"""Coordinates of schedules of one β and one ρ."""
_ALL = "all stages"
_OF_SCHEDULE = re.compile(r"(?:^|\.)amplification(?:\.(?:beta|rho|stages|scales)(?:\.\w+)?)?$")
_SCALE = re.compile(r"rho/(\d+)")
_MOST_CELLS = 12
"""Values of a parameter that a heat map has room for."""
_LEAST_FILLED = 0.5
_FEW_CELLS = 16
"""Of a panel that is drawn however few are filled, as of a grid that has only begun."""


class Strength(NamedTuple):
    """A schedule of one β and one ρ.

    Attributes:
        stages: ``coarse``, ``coarse+mid`` … or ``all stages``.
        beta: Of all of them.
        rho: Likewise.
    """

    stages: str
    beta: float
    rho: float

    @property
    def words(self) -> str:
        """For people."""
        return f"{self.stages}, β {self.beta:g}, ρ {100 * self.rho:g} %"


def strength_of(trial: SweptTrial) -> Strength | None:
    """The one β and ρ of a trial's whole stages, from its summary; None where there is no such."""
    numbers = trial.summary
    scales = [match[1] for name in numbers if (match := _SCALE.fullmatch(name)) and numbers[name] > 0]
    pairs = {(numbers[f"beta/{scale}"], numbers[f"rho/{scale}"]) for scale in scales if f"beta/{scale}" in numbers}
    if len(pairs) != 1:
        return None
    beta, rho = pairs.pop()
    there = [stage for stage in STAGES if f"rho/{stage}" in numbers]
    active = [stage for stage in there if numbers[f"rho/{stage}"] > 0]
    if any(abs(numbers[f"rho/{stage}"] - rho) > 1e-9 for stage in active):
        return None  # some of a stage's scales alone
    return Strength(_ALL if len(active) == len(there) and len(there) > 1 else "+".join(active), beta, rho)


def unit_of(metric: str | None) -> tuple[float, str]:
    """Factor and unit that a metric is shown by: shares of images are shown in %."""
    is_share = metric is not None and re.search(r"top[15]|(^|/)ior|accuracy|coverage", metric)
    return (100.0, ", %") if is_share else (1.0, "")


def axes_of(sweep: Sweep) -> list[Axis]:
    """A coordinate for each parameter that differs between trials, in their order; a schedule by stages, β and ρ."""
    trials = [Trial(one.parameters) for one in sweep.trials]
    flat = [trial.flat() for trial in trials]
    names = short_names(trials, varying=True)
    schedule = [name for name in names if _OF_SCHEDULE.search(name)]
    axes = _schedule_axes(sweep) if schedule else []
    for name, short in names.items():
        if name not in schedule:
            axes.append(Axis(short, [_value(values.get(name)) for values in flat]))
    return [axis for axis in axes if len(set(axis.values)) > 1] or axes


def _schedule_axes(sweep: Sweep) -> list[Axis]:
    strengths = [strength_of(trial) for trial in sweep.trials]
    off = [is_off(trial) for trial in sweep.trials]
    done = [bool(trial.summary) for trial in sweep.trials]
    if all(one is not None or not_amplified or not is_done
           for one, not_amplified, is_done in zip(strengths, off, done, strict=True)):  # fmt: skip

        def of(take: Callable[[Strength], Any], nothing: Any) -> list[Any]:
            return [
                take(one) if one is not None else nothing if not_amplified else None
                for one, not_amplified in zip(strengths, off, strict=True)
            ]

        return [
            Axis(SCHEDULE_AXES[0], of(lambda one: one.stages, OFF)),
            Axis(SCHEDULE_AXES[1], of(lambda one: one.beta, 0.0)),
            Axis(SCHEDULE_AXES[2], of(lambda one: 100 * one.rho, 0.0)),
        ]
    axes = []
    for symbol, name, factor in (("β", "beta", 1.0), ("ρ, %", "rho", 100.0)):
        for stage in STAGES:
            values = [trial.summary.get(f"{name}/{stage}") for trial in sweep.trials]
            axes.append(Axis(f"{symbol} {stage}", [None if value is None else factor * value for value in values]))
    return axes


def strength_panels(sweep: Sweep) -> tuple[list[Panel], int]:
    """The metric over β (columns) and ρ (rows), a panel for each choice of stages; and the most trials in a cell.

    All panels have the same rows and columns. A cell of several trials, which differ in something else, is their mean.
    No panels where fewer than two trials have one β and ρ, or where these are drawn from ranges.
    """
    factor, _ = unit_of(sweep.metric)
    cells = dict[Strength, list[float]]()
    for trial in sweep.trials:
        strength, value = strength_of(trial), sweep.value(trial)
        if strength is not None and value is not None:
            cells.setdefault(strength, []).append(factor * value)
    if len(cells) < 2:
        return [], 0
    betas, rhos = sorted({one.beta for one in cells}), sorted({one.rho for one in cells})
    known = [*STAGES, _ALL]
    stages = sorted({one.stages for one in cells}, key=lambda name: (known.index(name) if name in known else 99, name))
    panels = [
        Panel(
            name,
            SCHEDULE_AXES[2],
            [100 * rho for rho in rhos],
            SCHEDULE_AXES[1],
            betas,
            [[_mean(cells.get(Strength(name, beta, rho))) for beta in betas] for rho in rhos],
        )
        for name in stages
    ]
    few = len(betas) * len(rhos) <= _FEW_CELLS
    if max(len(betas), len(rhos)) > _MOST_CELLS or not (few or _is_filled(panels)):
        return [], 0
    return panels, max(map(len, cells.values()))


def parameter_panels(sweep: Sweep, axes: Sequence[Axis]) -> list[Panel]:
    """The metric over two parameters, a panel for each value of a third; none of more, or of many values."""
    factor, _ = unit_of(sweep.metric)
    values = [sweep.value(trial) for trial in sweep.trials]
    levels = [list(dict.fromkeys(value for value in axis.values if value is not None)) for axis in axes]
    if len(axes) not in (2, 3) or any(len(one) > _MOST_CELLS for one in levels):
        return []
    order = sorted(range(len(axes)), key=lambda place: len(levels[place]))
    third = order[0] if len(axes) == 3 else None
    row, column = (place for place in range(len(axes)) if place != third)
    panels = []
    for level in levels[third] if third is not None else [None]:
        cells = dict[tuple[Any, Any], list[float]]()
        for number, value in enumerate(values):
            if value is not None and (third is None or axes[third].values[number] == level):
                key = (axes[row].values[number], axes[column].values[number])
                cells.setdefault(key, []).append(factor * value)
        rows, columns = _sorted(levels[row]), _sorted(levels[column])
        grid = [[_mean(cells.get((one, other))) for other in columns] for one in rows]
        title = "" if third is None else f"{axes[third].title} {level}"
        panels.append(Panel(title, axes[row].title, rows, axes[column].title, columns, grid))
    return panels if _is_filled(panels) else []


def _is_filled(panels: Sequence[Panel]) -> bool:
    every = [cell for panel in panels for line in panel.values for cell in line]
    filled = sum(cell is not None for cell in every)
    return filled > 1 and filled / len(every) >= _LEAST_FILLED


def panels_json(panels: Sequence[Panel]) -> list[Mapping[str, Any]]:
    """Panels as plain values."""
    return [{name: list(value) if isinstance(value, tuple) else value for name, value in panel._asdict().items()}
            for panel in panels]  # fmt: skip


def _mean(values: Sequence[float] | None) -> float | None:
    return statistics.fmean(values) if values else None


def _sorted(values: Sequence[Any]) -> list[Any]:
    return sorted(values) if all(isinstance(value, int | float) for value in values) else list(values)


def _value(value: Any) -> float | str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        if isinstance(value, list | tuple):
            return ", ".join(map(str, value))
        return None if value is None else str(value)
    return float(value)
