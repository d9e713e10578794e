"""The paper's tables with ours beside them as Markdown, LaTeX and CSV."""

import csv
import io
from collections.abc import Callable, Sequence

from hieramp_lit.report.paper import OF_AN_IMAGE, PER_CENT
from hieramp_lit.report.paper_table import COMPARED, Line, PaperTable, show_difference, show_value

FORMATS = ("markdown", "latex", "csv")
_NUMBERS = {"paper", "ours", "ours best", "ours last", "difference"}
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "±": r"$\pm$",
    "−": r"$-$",
    "–": "--",
    "×": r"$\times$",
    "β": r"$\beta$",
    "ρ": r"$\rho$",
    "³": r"$^3$",
}


def render(tables: Sequence[PaperTable], format: str, left_out: Sequence[str] = ()) -> str:
    """Write tables as text.

    Args:
        tables: At least one.
        format: One of `FORMATS`.
        left_out: Sentences on files that count for nothing; they stand below. CSV leaves them to the caller.

    Raises:
        ValueError: If the format is unknown.
    """
    if format == "csv":
        return _csv(tables)
    if format not in FORMATS:
        raise ValueError(f"--format {format}: expected one of {', '.join(FORMATS)}.")
    write = _markdown if format == "markdown" else _latex
    parts = [write(table, _columns(table), _Footnotes(table)) for table in tables]
    if left_out and format == "markdown":
        parts.append("\n".join(["Left out:", "", *(f"- {line}" for line in left_out), ""]))
    elif left_out:
        parts.append("\n".join([f"% left out: {line}" for line in left_out] + [""]))
    return "\n".join(parts)


class _Footnotes:
    """Numbered as rows come: what contradicts a number of the paper, what is different in ours, why there is none."""

    def __init__(self, table: PaperTable) -> None:
        texts: dict[str, list[str]] = {}
        for line in table.lines:
            if line.paper is not None and line.paper.note:
                texts.setdefault(line.paper.note, [])
            if line.remark and line.ours is not None:
                texts.setdefault(line.remark, []).append(line.ours.source)
        self._texts = texts

    def number(self, text: str) -> int:
        return list(self._texts).index(text) + 1

    def of_paper(self, line: Line) -> int | None:
        return self.number(line.paper.note) if line.paper is not None and line.paper.note else None

    def of_ours(self, line: Line) -> int | None:
        return self.number(line.remark) if line.remark and line.ours is not None else None

    def texts(self) -> list[str]:
        return [
            f"{text[:1].upper()}{text[1:]}{'' if not sources else ': ' + ', '.join(dict.fromkeys(sources))}."
            for text, sources in self._texts.items()
        ]


Column = Callable[[Line], str]


def _columns(table: PaperTable) -> tuple[dict[str, Column], list[str]]:
    """Titles and contents of the columns; and what is the same in all rows, which the caption says instead."""
    others = _others(table)
    identity: dict[str, Column] = {
        "data set": lambda line: "" if line.metric in OF_AN_IMAGE else line.dataset,
        "IPC": lambda line: "" if line.ipc is None else str(line.ipc),
        "method": lambda line: line.method,
        "teacher": lambda line: line.teacher,
        "student": lambda line: line.student,
        "setting": lambda line: line.setting.removesuffix(others),
        "measured": lambda line: line.metric,
    }
    columns, same = dict[str, Column](), list[str]()
    for title, content in identity.items():
        values = {content(line) for line in table.lines}
        if len(values) > 1 or title == "method":
            columns[title] = content
        elif title != "measured" and (value := values.pop()):
            same.append(f"{title} {value}")
    if others:
        same.append(f"ours with {others.removeprefix(', ')}")
    columns["paper"] = lambda line: "–" if line.paper is None else line.paper.printed
    if any(line.metric == PER_CENT for line in table.lines):
        columns["ours best"] = lambda line: _ours(line, "best")
        columns["ours last"] = lambda line: _ours(line, "last")
    else:
        columns["ours"] = lambda line: _ours(line, "value")
    columns["difference"] = show_difference
    columns["seeds"] = lambda line: "" if line.ours is None else line.ours.runs
    columns["protocol"] = lambda line: "" if line.ours is None else line.ours.protocol
    cells = [id(line.paper) for line in table.lines if line.paper is not None and line.ours is not None]
    if len(set(cells)) < len(cells):
        columns["result"] = lambda line: "" if line.ours is None else line.ours.source
    return columns, same


def _others(table: PaperTable) -> str:
    """What all our schedules of a table have in common beside the paper's words; the caption says it once."""
    amplified = [line for line in table.lines if line.ours is not None and line.ours.method == "HIERAMP"]
    found = {"".join(f", {other}" for other in line.ours.schedule.others) for line in amplified
             if line.ours is not None and line.ours.schedule is not None}  # fmt: skip
    return found.pop() if len(found) == 1 else ""


def _ours(line: Line, which: str) -> str:
    return show_value(None if line.ours is None else line.ours.values.get(which), line.metric)


def _caption(table: PaperTable, same: Sequence[str]) -> str:
    parts = [table.title, ", ".join(same)]
    if any(line.metric == PER_CENT for line in table.lines):
        parts.append(
            f"ours: mean ± sample standard deviation over seeds; difference: ours {COMPARED} − paper, since RDED's "
            "protocol reports the best epoch"
        )
    else:
        if table.lines[0].metric in OF_AN_IMAGE:
            parts.append("ours: median ± spread of timed runs")
        parts.append("difference: ours − paper")
    return "; ".join(part for part in parts if part)


def _markdown(table: PaperTable, columns: tuple[dict[str, Column], list[str]], notes: _Footnotes) -> str:
    contents, same = columns
    marked: dict[str, Callable[[Line], int | None]] = {"paper": notes.of_paper, "difference": notes.of_ours}

    def cell(title: str, line: Line) -> str:
        mark = marked[title](line) if title in marked else None
        return contents[title](line).replace("|", r"\|") + ("" if mark is None else f" [{mark}]")

    lines = [_caption(table, same) + ".", "", f"| {' | '.join(contents)} |"]
    lines.append("|" + "|".join("---:" if title in _NUMBERS else "---" for title in contents) + "|")
    lines += [f"| {' | '.join(cell(title, line) for title in contents)} |" for line in table.lines]
    footnotes = [f"[{number}] {text}" for number, text in enumerate(notes.texts(), 1)]
    return "\n".join([*lines, "", *(item for text in footnotes for item in (text, ""))])


def _latex(table: PaperTable, columns: tuple[dict[str, Column], list[str]], notes: _Footnotes) -> str:
    contents, same = columns
    marked: dict[str, Callable[[Line], int | None]] = {"paper": notes.of_paper, "difference": notes.of_ours}

    def cell(title: str, line: Line) -> str:
        mark = marked[title](line) if title in marked else None
        return _escaped(contents[title](line)) + ("" if mark is None else f"$^{{{mark}}}$")

    alignment = "".join("r" if title in _NUMBERS else "l" for title in contents)
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escaped(_caption(table, same))}.}}",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        " & ".join(map(_escaped, contents)) + r" \\",
        r"\midrule",
        *(" & ".join(cell(title, line) for title in contents) + r" \\" for line in table.lines),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\footnotesize $^{{{number}}}$ {_escaped(text)}" for number, text in enumerate(notes.texts(), 1)),
        r"\end{table}",
    ]
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _csv(tables: Sequence[PaperTable]) -> str:
    """One line a row of any table; numbers in full."""
    text = io.StringIO()
    names = ["table", "dataset", "ipc", "method", "teacher", "student", "setting", "metric", "paper_mean", "paper_std"]
    names += [f"ours_{which}_{kind}" for which in ("best", "last", "value") for kind in ("mean", "std")]
    names += ["compared", "difference", "n", "seeds", "protocol", "paper_note", "remark", "source"]
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    for table in tables:
        for line in table.lines:
            writer.writerow({name: "" if value is None else value for name, value in _csv_line(table, line).items()})
    return text.getvalue()


def _csv_line(table: PaperTable, line: Line) -> dict[str, object]:
    values: dict[str, object] = {
        "table": table.table, "dataset": line.dataset, "ipc": line.ipc, "method": line.method, "teacher": line.teacher,
        "student": line.student, "setting": line.setting, "metric": line.metric, "difference": line.difference,
        "remark": line.remark,
    }  # fmt: skip
    if line.paper is not None:
        values |= {"paper_mean": line.paper.mean, "paper_std": line.paper.std, "paper_note": line.paper.note}
    if line.ours is not None:
        for which, value in line.ours.values.items():
            values |= {f"ours_{which}_mean": value.mean, f"ours_{which}_std": value.std}
        values |= {"compared": COMPARED if COMPARED in line.ours.values else "value", "n": line.ours.n}
        values |= {"seeds": line.ours.runs, "protocol": line.ours.protocol, "source": line.ours.source}
    return values
