"""Tables of the paper with measured numbers beside: which rows they have, in which order, and what stands in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from hieramp_lit.report.matching import Row, match, method_of, setting_of
from hieramp_lit.report.measured import Measured, Value
from hieramp_lit.report.paper import OF_AN_IMAGE, PER_CENT, TABLES, TITLES, PaperCell, paper_cells
from hieramp_lit.report.schedule_name import FINAL, OFF

COMPARED = "best"
"""Of students, which of the paper's kind: RDED, whose protocol it follows, reports the best epoch."""
_DECIMALS = {PER_CENT: 1, "seconds_per_image": 3, "peak_memory_gb": 3}
_WITH_PAIRS_APART = {"1", "SAM", "DIVER"}
_OF_SCHEDULES = {PER_CENT, "fid"}
_STAGES = ("coarse", "mid", "fine", "full")
_UNITS = {
    PER_CENT: "top-1 in %",
    "fid": "FID",
    "seconds_per_image": "seconds an image",
    "peak_memory_gb": "peak memory in GiB",
}


class Line(NamedTuple):
    """One row: what was measured, the paper's number and ours.

    Attributes:
        dataset: As `PaperCell`, and so the next six.
        paper: Its number.
        ours: Ours.
        remark: From `Row`.
    """

    dataset: str
    ipc: int | None
    method: str
    teacher: str
    student: str
    setting: str
    metric: str
    paper: PaperCell | None
    ours: Measured | None
    remark: str

    @property
    def compared(self) -> Value | None:
        """Our number that the paper's is compared with."""
        return None if self.ours is None else self.ours.values.get(COMPARED, self.ours.values.get("value"))

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's."""
        return None if self.paper is None or self.compared is None else self.compared.mean - self.paper.mean


@dataclass(frozen=True)
class PaperTable:
    """One table.

    Attributes:
        table: The paper's name for it.
        lines: Its rows.
    """

    table: str
    lines: tuple[Line, ...]

    @property
    def title(self) -> str:
        """For people; with what is measured."""
        name = f"Table {self.table}: {TITLES[self.table]}" if self.table.isdigit() else TITLES[self.table]
        units = dict.fromkeys(_UNITS.get(line.metric, line.metric) for line in self.lines)
        return f"{name} ({', '.join(units)})"


def lay_out(measured: Sequence[Measured], table: str | None = None) -> list[PaperTable]:
    """Lay measured numbers beside the paper's.

    Where one of ours belongs to a table, the paper's other rows of the same data set and size come with it.

    Args:
        measured: At least one.
        table: The one table to lay out, from the numbers of its kind, see `of_another_kind`; None gives each that has a
            number of ours.

    Raises:
        ValueError: If there is nothing measured, or no such table.
    """
    if table is not None and table not in TABLES:
        raise ValueError(f"--table {table}: the paper has the tables {', '.join(TABLES)}.")
    if not measured:
        raise ValueError("There is nothing to lay beside the paper.")
    kinds = {_kind(cell.metric) for cell in paper_cells() if table in {None, cell.table}}
    rows = [row for one in measured if _kind(one.metric) in kinds for row in match(one, table)]
    if table is None:
        rows = _together(rows)
    return [
        PaperTable(name, tuple(_lines([row for row in rows if row.table == name])))
        for name in TABLES
        if any(row.table == name for row in rows)
    ]


def of_another_kind(measured: Sequence[Measured], table: str | None) -> list[str]:
    """Why some numbers have no place in the one table that is laid out: it measures something else."""
    metrics = {cell.metric for cell in paper_cells() if table in {None, cell.table}}
    kinds = {_kind(metric) for metric in metrics}
    return [
        f"{one.source}: Table {table} measures {', '.join(sorted(metrics))}, not {one.metric}."
        for one in measured
        if _kind(one.metric) not in kinds
    ]


def show_value(value: Value | None, metric: str) -> str:
    """A number in the paper's form: ``47.6 ± 0.2``; ``–`` for none."""
    if value is None:
        return "–"
    decimals = _DECIMALS.get(metric, 1)
    return f"{value.mean:.{decimals}f}" + ("" if value.std is None else f" ± {value.std:.{decimals}f}")


def show_difference(line: Line) -> str:
    """With its sign, as far as the table's digits tell: ``+1.2``, ``−0.4``, ``0.0``."""
    if line.difference is None:
        return "–"
    text = f"{line.difference:+.{_DECIMALS.get(line.metric, 1)}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def _kind(metric: str) -> str:
    """FID of any features is FID."""
    return metric.partition("@")[0]


def _together(rows: Sequence[Row]) -> list[Row]:
    """Of one experiment that the paper does not have, bring plain VAR and baselines to one table.

    That is the table of its schedules; where nothing is amplified, that of class tokens.
    """
    homes: dict[tuple[object, ...], str] = {}
    without_paper = [(row.table, row.ours) for row in rows if row.paper is None and row.ours is not None]
    for table in ("1", "3", "7"):
        homes |= {_experiment(ours): table for home, ours in without_paper if home == table}
    homes |= {_experiment(ours): home for home, ours in without_paper if ours.method == "HIERAMP"}
    return [
        replace(row, table=homes[_experiment(row.ours)])
        if row.paper is None and row.ours is not None and row.table in {"1", "3"} and row.ours.method != "HIERAMP"
        else row
        for row in rows
    ]


def _experiment(ours: Measured) -> tuple[object, ...]:
    return (ours.dataset, ours.ipc, ours.teacher, ours.student, ours.metric)


def _lines(rows: Sequence[Row]) -> list[Line]:
    """Rows of one table, the paper's order first."""
    blocks = {_block(row) for row in rows}
    taken = {id(row.paper) for row in rows}
    others = [Row(cell.table, cell, None) for cell in paper_cells() if cell.table == rows[0].table]
    others = [row for row in others if id(row.paper) not in taken and _block(row) in blocks]
    order = {id(cell): place for place, cell in enumerate(paper_cells())}
    first = {block: min((order[id(row.paper)] for row in (*rows, *others) if row.paper is not None
                         and _block(row) == block), default=len(order)) for block in blocks}  # fmt: skip

    def place(row: Row) -> tuple[object, ...]:
        line, block = _line(row), _block(row)
        own = order[id(row.paper)] if row.paper is not None else len(order)
        source = "" if row.ours is None else row.ours.source
        pair = (line.teacher, line.student)
        return (first[block], tuple(map(str, block)), own, pair, _setting_order(line.setting), line.method, source)

    return [_line(row) for row in sorted((*rows, *others), key=place)]


def _line(row: Row) -> Line:
    if row.paper is not None:
        cell = row.paper
        own = row.ours is not None and row.ours.method == "HIERAMP" and row.ours.metric in _OF_SCHEDULES
        setting = setting_of(row.ours) if own and row.ours is not None else ""
        return Line(
            cell.dataset, cell.ipc, cell.method, cell.teacher, cell.student,
            cell.setting or ("" if setting == FINAL else setting), cell.metric, cell, row.ours, row.remark,
        )  # fmt: skip
    ours = row.ours
    if ours is None:
        raise ValueError("A row holds a number of the paper, one of ours, or both.")
    setting = setting_of(ours)
    method = method_of(ours, row.table)
    return Line(
        ours.dataset, ours.ipc, method, ours.teacher, ours.student, setting, ours.metric, None, ours, row.remark
    )


def _block(row: Row) -> tuple[object, ...]:
    """What a reader compares the rows of."""
    line = _line(row)
    if line.metric in OF_AN_IMAGE:
        return (line.metric,)
    if row.table in _WITH_PAIRS_APART:
        return (line.dataset, line.ipc, line.metric, line.teacher, line.student)
    return (line.dataset, line.ipc, line.metric)


def _setting_order(setting: str) -> tuple[object, ...]:
    """Off, then by ρ, β and stage."""
    if setting in {"", OFF}:
        return (0, 0.0, 0.0, 0, "")
    words = setting.partition(",")[0].split()
    if len(words) == 3 and words[0] in _STAGES and words[2].endswith("%"):
        return (1, float(words[2].rstrip("%")), float(words[1]), _STAGES.index(words[0]), setting)
    return (2, 0.0, 0.0, 0, setting)
