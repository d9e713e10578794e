"""Which number of the paper a measured one lies beside, and why none where there is none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hieramp_lit.report.measured import Measured
from hieramp_lit.report.paper import OF_AN_IMAGE, PaperCell, paper_cells
from hieramp_lit.report.schedule_name import FINAL, OFF

_MAIN = {"1", "2", "6"}
"""Tables whose HIERAMP is the paper's final schedule."""


@dataclass(frozen=True)
class Row:
    """One line of a table: a number of the paper, one of ours, or both.

    Attributes:
        table: The paper's.
        paper: Its number; None where it has none.
        ours: The measured one; None where there is none.
        remark: What is not the same in the two, or why there is no number of the paper.
    """

    table: str
    paper: PaperCell | None
    ours: Measured | None
    remark: str = ""


def match(measured: Measured, table: str | None = None) -> list[Row]:
    """Lay one measured number beside the paper's.

    Args:
        measured: The number.
        table: The one table to look in; None looks in all.

    Returns:
        One row for each table that has its cell; one without the paper's number if none has. A HIERAMP set with a
        schedule of its own lies beside the paper's HIERAMP, with a remark; so do students of another training.
    """
    comparable = [cell for cell in paper_cells() if table in {None, cell.table} and _same_experiment(cell, measured)]
    rows = [Row(cell.table, cell, measured, _undecided(cell, measured)) for cell in comparable if _is(cell, measured)]
    if not rows and measured.method == "HIERAMP" and measured.schedule is not None:
        rows = [
            Row(cell.table, cell, measured, f"another schedule than the paper's {FINAL}: {setting_of(measured)}")
            for cell in comparable
            if cell.table in _MAIN and cell.method == "HIERAMP"
        ]
    rows = [replace(row, remark="; ".join(filter(None, (row.remark, measured.unlike)))) for row in rows]
    return rows or [Row(table or _home(measured), None, measured, _reason(measured, table))]


def setting_of(measured: Measured) -> str:
    """The schedule as the paper writes it, and what else is not as there."""
    if measured.schedule is None:
        return ""
    return ", ".join((measured.schedule.name, *measured.schedule.others))


def method_of(measured: Measured, table: str) -> str:
    """The method as a table calls it: Table 7 tells VAR with class tokens from VAR without."""
    if measured.method != "VAR" or table != "7" or measured.class_tokens is None:
        return measured.method
    return "VAR with class tokens" if measured.class_tokens else "VAR without class tokens"


def _same_experiment(cell: PaperCell, measured: Measured) -> bool:
    return (
        cell.metric == measured.metric
        and cell.ipc == measured.ipc
        and (measured.dataset in {cell.dataset, "any"})
        and (cell.teacher, cell.student) == (measured.teacher, measured.student)
    )


def _is(cell: PaperCell, measured: Measured) -> bool:
    """Whether it is the cell, of those of the same experiment."""
    setting = setting_of(measured)
    if measured.metric in OF_AN_IMAGE:
        return _word(cell.method) == _word(measured.method) and cell.setting == setting
    if measured.method == "HIERAMP":
        return cell.method == "HIERAMP" and setting == (cell.setting or FINAL)
    if measured.method == "VAR":
        if setting != OFF:
            return False
        named = {"VAR": True, "VAR with class tokens": True, "VAR without class tokens": False}.get(cell.method)
        if cell.method == "VAR" and cell.table == "6":
            return True
        return named is not None and measured.class_tokens in {named, None}
    return _word(cell.method) == _word(measured.method) and not cell.setting


def _undecided(cell: PaperCell, measured: Measured) -> str:
    if measured.method != "VAR" or measured.class_tokens is not None or cell.table not in {"3", "7"}:
        return ""
    return (
        "nothing says whether this VAR had class tokens (Table 3: it had; Table 7: both): give the results of an "
        "amplified set of the same weights too, or the trial that tuned them"
    )


def _home(measured: Measured) -> str:
    """The table whose form fits a number that the paper does not have."""
    if measured.metric in OF_AN_IMAGE:
        return "9"
    if measured.metric.startswith("fid"):
        return "6"
    if measured.schedule is None:
        return "1"
    if measured.class_tokens is False:
        return "7"
    return "4" if measured.schedule.name.startswith("C-M-F") else "3"


def _reason(measured: Measured, table: str | None) -> str:
    """What of the experiment the paper does not have, from the data set on."""
    cells: Sequence[PaperCell] = [cell for cell in paper_cells() if table in {None, cell.table}]
    where = "the paper" if table is None else f"Table {table}"
    for name, ours in (("metric", measured.metric), ("dataset", measured.dataset), ("ipc", measured.ipc)):
        cells = [cell for cell in cells if getattr(cell, name) == ours or ours == "any"]
        if not cells:
            words = {"metric": "no {}", "dataset": "nothing on {}", "ipc": "no IPC {} of this data set"}[name]
            return f"{where} has {words.format(ours)}"
    pairs = [cell for cell in cells if (cell.teacher, cell.student) == (measured.teacher, measured.student)]
    if not pairs:
        return f"{where} has no {measured.student or '–'} taught by {measured.teacher or 'nobody'} there"
    if measured.metric in OF_AN_IMAGE:
        return f"{where} has no {measured.method} at {setting_of(measured)}"
    if measured.method == "HIERAMP" and any(cell.method == "HIERAMP" for cell in pairs):
        return f"{where} has no schedule {setting_of(measured)} there"
    return f"{where} has no {measured.method} there"


def _word(method: str) -> str:
    return re.sub(r"[^a-z0-9+]", "", method.casefold())
