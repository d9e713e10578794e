"""How good students become: on the set, on random real images, and in the paper."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from hieramp_lit.figures.bars import Bar, BarKind, draw_bars
from hieramp_lit.report.content.story import Member, Story
from hieramp_lit.report.matching import Row, match
from hieramp_lit.report.measured import measured_of
from hieramp_lit.report.page import Block, Column, Figure, Note, Section, Table
from hieramp_lit.report.page.blocks import Cell
from hieramp_lit.report.results import Result
from hieramp_lit.report.scores import improvement_over_random
from hieramp_lit.report.table import accuracy, caption, protocol_name

WHICH = {"last": "last epoch", "best": "best epoch"}
_BAR_KINDS: dict[str, BarKind] = {"amplified": "ours", "plain": "ours", "real": "real", "other": "other"}
_AGAINST = "The paper reports the best epoch, as RDED's protocol does, so its numbers stand beside our best ones."


class Judged(NamedTuple):
    """A set's accuracy as it is shown.

    Attributes:
        title: Of the set.
        kind: As `Member.kind`.
        result: Of its students.
        source: File that it stands in.
        real: Result on random real images of the same classes, number and size; None without.
    """

    title: str
    kind: str
    result: Result
    source: str
    real: Result | None = None


def judged_of(members: Iterable[Member], prefix: str = "") -> list[Judged]:
    """Those members that have students, each with the random real images among them.

    Args:
        members: Of one story.
        prefix: Of the titles.
    """
    every = [member for member in members if member.result is not None]
    real = next((member.result for member in every if member.kind == "real"), None)
    return [
        Judged(
            prefix + member.title,
            member.kind,
            member.result,
            member.source,
            None if member.kind == "real" or real is None or not _comparable(member.result, real) else real,
        )
        for member in every
        if member.result is not None
    ]


def accuracy_section(story: Story, prefix: str) -> Section:
    """The section of one story.

    Args:
        story: The story.
        prefix: Of all ids.
    """
    judged = judged_of(story.members)
    title = "Accuracy"
    if not judged:
        folder = story.main.draws[0].path if story.main.draws else "SET"
        text = (
            "No student was trained on this set, or none was given: `hieramp students --config STUDENT.yaml "
            f"--data.path {folder} --seeds 0 1 2 --out runs/students` trains them; give its --out as another SOURCE."
        )
        return Section(f"{prefix}accuracy", title, [Note(text, "missing")])
    blocks = accuracy_blocks(judged, prefix)
    if all(one.real is None for one in judged if one.kind != "real") and not any(one.kind == "real" for one in judged):
        blocks.append(
            Note(
                "No random real images beside: `hieramp compare SET --config STUDENT.yaml --seeds 0 1 2 --out FOLDER` "
                "makes and judges them.",
                "missing",
            )
        )
    return Section(f"{prefix}accuracy", title, blocks, lead(judged))


def accuracy_blocks(judged: Sequence[Judged], prefix: str) -> list[Block]:
    """Bars of last and best epoch, and the table of both.

    Args:
        judged: At least one.
        prefix: Of all ids.
    """
    beside, notes = paper_beside(judged)
    described = caption([one.result for one in judged])
    judges = sorted({f"{one.result['validation'].get('n', '?')} images" for one in judged})
    blocks: list[Block] = []
    for which, words in WHICH.items():
        bars = [_bar(one, which) for one in judged]
        if which == "best":
            bars += [
                Bar(f"{row.paper.method}, paper's Table {row.table}", row.paper.mean, row.paper.std, "paper")
                for row in beside
                if row.paper is not None
            ]
        told = "; ".join(f"{one.title} {accuracy(one.result, f'top1_{which}')} %" for one in judged)
        numbers = [{"label": bar.label, "mean": bar.mean, "std": bar.std, "kind": bar.kind} for bar in bars]
        text = f"Top-1 in % on {' or '.join(judges)}, {words}; {described}."
        if which == "best":
            text += " The best epoch is chosen by the images that judge." + (f" {_AGAINST}" if beside else "")
        blocks.append(
            Figure(
                f"{prefix}accuracy-{which}", f"Students' top-1, {words}", f"{told}.", text, {"bars": numbers},
                partial(draw_bars, bars, f"top-1 in %, {words}"),
            )
        )  # fmt: skip
    blocks.append(_table(judged, beside, described, prefix))
    return [*blocks, *unlike(judged), *notes]


def lead(judged: Sequence[Judged]) -> str:
    """What came out, in one line."""
    first = judged[0]
    text = f"{sentence(first.title)}: top-1 {accuracy(first.result, 'top1_last')} % after the last epoch"
    if first.real is not None:
        points = 100 * improvement_over_random(_mean(first.result, "last"), _mean(first.real, "last"))
        side = "above" if points >= 0 else "below"
        text += f", {abs(points):.1f} points {side} random real images ({accuracy(first.real, 'top1_last')} %)"
    return f"{text}; {caption([one.result for one in judged])}."


def sentence(title: str) -> str:
    """A title at the beginning of a sentence; names, such as ``digits_amplified``, stay as they are."""
    first = title.split()[0].rstrip(":,")
    return title[0].upper() + title[1:] if first.isalpha() else title


def unlike(judged: Sequence[Judged]) -> list[Note]:
    """In what the trainings differ, which makes accuracies say less beside each other; none where they do not."""
    kinds = {
        "protocol": [[one.result["protocol"].get(name) for name in ("name", "constants")] for one in judged],
        "student": [one.result["student"]["architecture"] for one in judged],
        "teacher": [(one.result["teacher"] or {}).get("sha256") for one in judged],
        "images that judge": [one.result["validation"].get("sha256") for one in judged],
        "images per class": [one.result["set"].get("images_per_class") for one in judged],
    }
    differ = [name for name, values in kinds.items() if any(value != values[0] for value in values)]
    if not differ:
        return []
    text = f"These students differ in {', '.join(differ)} too, so that a difference is not the sets' alone."
    return [Note(text, "warning")]


def paper_beside(judged: Sequence[Judged]) -> tuple[list[Row], list[Note]]:
    """The paper's numbers of the very same experiments, and why there are none where there are none.

    Returns:
        Rows with a number of the paper, each once; and notes: what is missing and why, and what is not the same.
    """
    rows = dict[tuple[str, ...], Row]()
    reasons, remarks = dict[str, list[str]](), dict[str, list[str]]()
    for one in judged:
        if "per_seed" not in one.result:
            if one.kind == "real":
                continue  # nobody looks for it
            reasons.setdefault("its single runs, which tell what it compares with, are not in the file", []).append(
                one.title
            )
            continue
        try:
            measured = measured_of(one.result, one.source)
        except ValueError as error:
            reasons.setdefault(str(error), []).append(one.title)
            continue
        for row in match(measured):
            if row.paper is None:
                reasons.setdefault(row.remark, []).append(one.title)
            elif measured.unlike:
                reasons.setdefault(measured.unlike, []).append(one.title)
            elif one.result["set"].get("generator") is not None:
                key = (row.table, row.paper.method, row.paper.setting, row.paper.teacher, row.paper.student)
                rows.setdefault(key, row)
                if row.remark:
                    remarks.setdefault(row.remark, []).append(one.title)
    notes = [
        Note(f"A number of the paper beside {_listed(titles)}: {reason.rstrip('.')}.", "missing")
        for reason, titles in reasons.items()
    ]
    notes += [
        Note(f"What {_listed(titles)} and the paper's number differ in: {remark.rstrip('.')}.")
        for remark, titles in remarks.items()
    ]
    return list(rows.values()), notes


def _listed(titles: Sequence[str]) -> str:
    return " and ".join(dict.fromkeys(titles))


def _bar(one: Judged, which: str) -> Bar:
    summary = one.result["summary"]
    std = summary["std_sample"][f"top1_{which}"]
    return Bar(
        one.title, 100 * summary["mean"][f"top1_{which}"], None if std is None else 100 * std,
        _BAR_KINDS.get(one.kind, "other"),
    )  # fmt: skip


def _table(judged: Sequence[Judged], beside: Sequence[Row], described: str, prefix: str) -> Table:
    columns = [Column("set"), Column("IPC", 0, True), Column("n", 0, True)]
    for which in WHICH:
        columns += [Column(f"{which}, %", 1, True), Column(f"± {which}", 1, True)]
    columns += [Column("IOR last", 1, True), Column("IOR best", 1, True)]
    columns += [Column("student"), Column("protocol")]
    rows: list[list[Cell]] = [_row(one) for one in judged]
    for row in beside:
        paper = row.paper
        if paper is None:
            continue
        name = f"{paper.method} {paper.setting}".strip()
        rows.append([f"{name} (paper, Table {row.table})", paper.ipc, None, None, None, paper.mean, paper.std, None,
                     None, paper.student, "RDED's"])  # fmt: skip
    text = f"Top-1 after the last and the best epoch; {described}. IOR: points above as many random real images."
    return _without_equal(Table(f"{prefix}accuracy-table", "Accuracy", columns, rows, text))


def _without_equal(table: Table) -> Table:
    """Words that are the same in all rows stand below the table, and columns without a number nowhere."""
    columns, caption_of, kept = [], table.caption, []
    for place, column in enumerate(table.columns):
        values = {row[place] for row in table.rows}
        if column.title in ("student", "protocol") and len(values) == 1:
            caption_of += f" {column.title.capitalize()}: {values.pop()}."
        elif values != {None}:
            columns.append(column)
            kept.append(place)
    rows = [[row[place] for place in kept] for row in table.rows]
    return replace(table, columns=columns, rows=rows, caption=caption_of)


def _row(one: Judged) -> list[Cell]:
    summary = one.result["summary"]
    cells: list[Cell] = [one.title, one.result["set"].get("images_per_class"), summary["n"]]
    for which in WHICH:
        std = summary["std_sample"][f"top1_{which}"]
        cells += [100 * summary["mean"][f"top1_{which}"], None if std is None else 100 * std]
    for which in WHICH:
        cells.append(
            None
            if one.real is None
            else 100 * improvement_over_random(_mean(one.result, which), _mean(one.real, which))
        )
    return [*cells, one.result["student"]["architecture"], protocol_name(one.result)]


def _comparable(result: Mapping[str, Any], real: Mapping[str, Any]) -> bool:
    """Whether IOR means something: students, judges and size of the set are the same."""
    same = ("protocol", "student", "validation")
    of_set = ("images_per_class", "classes")
    return all(_plain(result[name]) == _plain(real[name]) for name in same) and all(
        result["set"].get(name) == real["set"].get(name) for name in of_set
    )


def _plain(value: Any) -> Any:
    """A protocol's name and constants decide, not how a release wrote them down."""
    return (
        {name: inner for name, inner in value.items() if name not in {"changed"}}
        if isinstance(value, Mapping)
        else value
    )


def _mean(result: Result, which: str) -> float:
    return float(result["summary"]["mean"][f"top1_{which}"])
