"""What came of a sweep: how many trials, which was best, and how the metric depends on what was varied."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from hieramp_lit.figures.heatmaps import Panel, draw_heatmaps
from hieramp_lit.figures.parallel import Axis, draw_parallel
from hieramp_lit.report.content.read_sweep import Sweep, SweptTrial, is_off
from hieramp_lit.report.content.sweep_grid import (
    SCHEDULE_AXES,
    axes_of,
    panels_json,
    parameter_panels,
    strength_of,
    strength_panels,
    unit_of,
)
from hieramp_lit.report.page import Block, Column, Commands, Facts, Figure, Note, Section, Table
from hieramp_lit.report.page.blocks import Cell

_DEVIATION = "_std_sample"
_MOST_REASON = 400
_WORDS = re.compile(r"top([15])_(last|best)")
_BESIDE = {"student/top1_best": "top-1 best, %", "student/ior_last": "IOR, points"}
"""Shares that stand beside the metric."""


def metric_words(metric: str | None) -> str:
    """A metric for people, with its unit: ``top-1 last, %`` of ``student/top1_last``."""
    name = (metric or "").removeprefix("student/")
    return _WORDS.sub(r"top-\1 \2", name) + unit_of(metric)[1]


def found_line(sweep: Sweep) -> str:
    """The best trial and its number, in one line."""
    best = sweep.best
    if best is None:
        return f"No trial of {len(sweep.trials)} is done."
    value = sweep.value(best)
    if value is None:
        why = "its file names no metric" if sweep.metric is None else f"none has the metric {sweep.metric}"
        return f"{_done(sweep)} of {len(sweep.trials)} trials are done; which is best is not known, as {why}."
    of = f"{_done(sweep)} trial{'s' if _done(sweep) > 1 else ''}"
    return f"Best of {of}: {_name(sweep, best)}, {_bare(sweep)} {shown(sweep, best)}."


def shown(sweep: Sweep, trial: SweptTrial) -> str:
    """A trial's number in the metric, with its deviation and unit."""
    factor, unit = unit_of(sweep.metric)
    value, std = sweep.value(trial), deviation(sweep, trial)
    if value is None:
        return "–"
    text = f"{factor * value:.1f}" if unit else f"{value:.4g}"
    if std is not None:
        text += f" ± {factor * std:.1f}" if unit else f" ± {std:.2g}"
    return text + unit.replace(", ", " ")


def deviation(sweep: Sweep, trial: SweptTrial) -> float | None:
    """Sample standard deviation of a trial's number, over its students' seeds; None where it has none."""
    value = None if sweep.metric is None else trial.summary.get(sweep.metric + _DEVIATION)
    return None if value is None or not math.isfinite(value) else value


def over_words(sweep: Sweep) -> str:
    """What ± is over."""
    counts = sorted({int(trial.summary["student/n"]) for trial in sweep.trials if "student/n" in trial.summary})
    if not counts or not any(deviation(sweep, trial) is not None for trial in sweep.trials):
        return "one number a trial, without a deviation"
    return f"mean ± sample standard deviation over {' or '.join(map(str, counts))} student seeds on one draw of the set"


def overview(sweep: Sweep, prefix: str) -> Section:
    """What was searched, and what became of the trials.

    Args:
        sweep: The sweep.
        prefix: Of all ids.
    """
    status = Counter(trial.status for trial in sweep.trials)
    rows = [("trials", ", ".join(f"{count} {name}" for name, count in status.items()) or "none")]
    if sweep.metric is not None:
        rows.append(("judged by", f"{sweep.metric}, {sweep.goal}"))
    for axis in axes_of(sweep):
        values = list(dict.fromkeys(value for value in axis.values if value is not None))
        numbers = [value for value in values if isinstance(value, float)]
        if len(numbers) == len(values) and len(values) > 10:
            text = f"{len(values)} values from {min(numbers):.3g} to {max(numbers):.3g}"
        else:
            ordered = sorted(numbers) if len(numbers) == len(values) else values
            text = ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in ordered)
        rows.append((f"varied: {axis.title}", text))
    blocks: list[Block] = [Facts("The sweep", rows)]
    if sweep.command:
        command = " ".join(word for word in sweep.command if word != "${env}")
        blocks.append(Commands("Command of a trial", [command]))
    blocks.append(Commands("To run what is left", [f"hieramp sweep run {sweep.file} --out {sweep.path}"]))
    if _done(sweep) > 1 and (sweep.metric or "").startswith("student/"):
        blocks.append(
            Note(
                "The best trial is chosen by the images that judge it, so its number is the luckiest of all: train it "
                "again under other seeds before it goes into a table. What lies within ± of it is as good."
            )
        )
    bad = [trial for trial in sweep.trials if trial.status in ("failed", "refused")]
    if bad:
        listed = "; ".join(f"{_name(sweep, one)} ({one.status}): {_short(one.reason)}" for one in bad[:10])
        more = f"; and {len(bad) - 10} more, see the table" if len(bad) > 10 else ""
        blocks.append(Note(f"Not done: {listed}{more}", "warning"))
    faults = [trial.fault for trial in sweep.trials if trial.fault]
    if faults:
        text = f"Nothing but the numbers in the table is told of {len(faults)} trial{'s' * (len(faults) > 1)}: "
        blocks.append(Note(text + " ".join(faults), "missing"))
    return Section(f"{prefix}sweep", "What was searched", blocks, found_line(sweep))


def landscape(sweep: Sweep, prefix: str) -> Section:
    """Heat maps, parallel coordinates and the table of all trials.

    Args:
        sweep: The sweep.
        prefix: Of all ids.
    """
    axes = axes_of(sweep)
    blocks: list[Block] = []
    known = sum(sweep.value(trial) is not None for trial in sweep.trials)
    if known > 1:
        blocks += _heatmaps(sweep, axes, prefix)
        if axes:
            blocks.append(_parallel(sweep, axes, prefix))
    else:
        number = "only one trial" if known else "no trial"
        why = "the sweep names no metric" if sweep.metric is None else f"{number} has {sweep.metric} yet"
        blocks.append(Note(f"Nothing can be drawn over the parameters: {why}.", "missing"))
    blocks.append(trials_table(sweep, axes, prefix))
    return Section(f"{prefix}landscape", "What the metric depends on", blocks)


def _heatmaps(sweep: Sweep, axes: Sequence[Axis], prefix: str) -> list[Block]:
    label = metric_words(sweep.metric)
    panels, most = strength_panels(sweep)
    if panels:
        text = f"{label}, {over_words(sweep)}." + (f" Cells are means over up to {most} trials." if most > 1 else "")
        if sweep.off is not None and sweep.value(sweep.off) is not None:
            text += f" With nothing amplified: {shown(sweep, sweep.off)}."
        own = sum(
            strength_of(trial) is None and trial is not sweep.off and bool(trial.summary) for trial in sweep.trials
        )
        if own:
            text += f" {own} trials with a β or ρ of their own for each stage have no cell."
        return [_heatmap_figure(panels, "Over β and ρ, by stage", text, label, sweep, prefix)]
    panels = parameter_panels(sweep, axes)
    if panels:
        title = f"Over {panels[0].row_title} and {panels[0].column_title}"
        return [_heatmap_figure(panels, title, f"{label}, {over_words(sweep)}.", label, sweep, prefix)]
    return []


def _heatmap_figure(panels: Sequence[Panel], title: str, text: str, label: str, sweep: Sweep, prefix: str) -> Figure:
    sign = 1 if sweep.goal == "maximize" else -1
    cells = [
        (value, f"{panel.title} {panel.row_title.split(',')[0]} {row:g} {panel.column_title.split(',')[0]} {column:g}"
         if isinstance(row, int | float) and isinstance(column, int | float) else f"{panel.title} {row} {column}")
        for panel in panels
        for row, line in zip(panel.rows, panel.values, strict=True)
        for column, value in zip(panel.columns, line, strict=True)
        if value is not None
    ]  # fmt: skip
    best, worst = max(cells, key=lambda cell: sign * cell[0]), min(cells, key=lambda cell: sign * cell[0])
    rows = [
        [panel.title or None, row, column, value]
        for panel in panels
        for row, line in zip(panel.rows, panel.values, strict=True)
        for column, value in zip(panel.columns, line, strict=True)
        if value is not None
    ]
    first = panels[0]
    columns = (
        Column("panel"),
        Column(first.row_title, None, isinstance(first.rows[0], float)),
        Column(first.column_title, None, isinstance(first.columns[0], float)),
        Column(label, 2, True),
    )
    return Figure(
        f"{prefix}heatmaps",
        title,
        f"Best {best[0]:.1f} at {best[1].strip()}; worst {worst[0]:.1f} at {worst[1].strip()}.",
        text,
        {"panels": panels_json(panels), "label": label},
        partial(draw_heatmaps, panels, label),
        Table(f"{prefix}heatmaps-table", title, columns, rows, folded=True),
    )


def _parallel(sweep: Sweep, axes: Sequence[Axis], prefix: str) -> Figure:
    factor, _ = unit_of(sweep.metric)
    values = [sweep.value(trial) for trial in sweep.trials]
    colour = [None if value is None else factor * value for value in values]
    label = metric_words(sweep.metric)
    best = sweep.best
    place = None if best is None or sweep.value(best) is None else sweep.trials.index(best)
    all_axes = [*axes, Axis(label, colour)]
    return Figure(
        f"{prefix}parallel",
        "All trials",
        found_line(sweep),
        f"A line is a trial, through its parameters to {label}, by which it is coloured; the best is marked. "
        f"{over_words(sweep)[0].upper()}{over_words(sweep)[1:]}.",
        {
            "trials": [trial.id for trial in sweep.trials],
            "axes": [{"title": axis.title, "values": list(axis.values)} for axis in all_axes],
            "best": place,
        },
        partial(draw_parallel, all_axes, colour, label, place),
    )


def trials_table(sweep: Sweep, axes: Sequence[Axis], prefix: str) -> Table:
    """Every trial, best first.

    Args:
        sweep: The sweep.
        axes: What was varied.
        prefix: Of the id.
    """
    factor, unit = unit_of(sweep.metric)
    place = {trial.id: number for number, trial in enumerate(sweep.trials)}
    numeric = [all(isinstance(value, float) or value is None for value in axis.values) for axis in axes]
    columns = [Column("rank", 0, True)]
    columns += [Column(axis.title, None, is_numeric) for axis, is_numeric in zip(axes, numeric, strict=True)]
    if sweep.metric is not None:
        columns += [Column(metric_words(sweep.metric), 1 if unit else 4, True), Column("±", 1 if unit else 4, True)]
    others = [
        (name, words)
        for name, words in _BESIDE.items()
        if name != sweep.metric and any(name in trial.summary for trial in sweep.trials)
    ]
    columns += [Column(words, 1, True) for _, words in others]
    columns += [Column("seconds", 0, True), Column("status"), Column("reason"), Column("id")]
    rows: list[list[Cell]] = []
    for rank, trial in enumerate(sweep.ranked, 1):
        value, std = sweep.value(trial), deviation(sweep, trial)
        row: list[Cell] = [rank if value is not None else None, *(axis.values[place[trial.id]] for axis in axes)]
        row = [_whole(cell) for cell in row]
        if sweep.metric is not None:
            row += [None if value is None else factor * value, None if std is None else factor * std]
        row += [100 * trial.summary[name] if name in trial.summary else None for name, _ in others]
        rows.append([*row, trial.seconds, trial.status, _short(trial.reason) or None, trial.id])
    text = f"Best first; {over_words(sweep)}." + (" IOR: points above random real images." if others else "")
    kept = [
        place for place, column in enumerate(columns) if column.title != "reason" or any(row[place] for row in rows)
    ]
    rows = [[row[place] for place in kept] for row in rows]
    return Table(f"{prefix}trials", "Trials", [columns[place] for place in kept], rows, text)


def _whole(cell: Any) -> Any:
    """5 instead of 5.0."""
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def _name(sweep: Sweep, trial: SweptTrial) -> str:
    strength, axes = strength_of(trial), axes_of(sweep)
    if {axis.title for axis in axes} <= set(SCHEDULE_AXES) and (strength is not None or is_off(trial)):
        return "nothing amplified" if strength is None else strength.words
    return sweep.words(trial)


def _bare(sweep: Sweep) -> str:
    return metric_words(sweep.metric).removesuffix(", %")


def _done(sweep: Sweep) -> int:
    return sum(bool(trial.summary) for trial in sweep.trials)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_REASON else f"{line[: _MOST_REASON - 1]}…"
