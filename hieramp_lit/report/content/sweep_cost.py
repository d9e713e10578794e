"""What a sweep took: stages that trials share count once."""

from collections import Counter

from hieramp_lit.report.content.cost import distinct, hours, hours_in_words
from hieramp_lit.report.content.read_sweep import Sweep
from hieramp_lit.report.content.story import StageRecord
from hieramp_lit.report.page import Block, Column, Note, Section, Table
from hieramp_lit.report.page.blocks import Cell

_STUDENTS = ("students", "real_students")


def sweep_cost(sweep: Sweep, prefix: str) -> Section:
    """The section.

    Args:
        sweep: The sweep.
        prefix: Of all ids.
    """
    records = [record for trial in sweep.trials if trial.story is not None for record in trial.story.stages]
    ran = sum(trial.seconds or 0.0 for trial in sweep.trials)
    blocks: list[Block] = []
    if records:
        blocks.append(_table(records, prefix))
    gone = [trial.id for trial in sweep.trials if trial.summary and trial.story is None]
    if gone:
        blocks.append(Note(f"No readable result.json, so no stages of: {', '.join(gone)}.", "missing"))
    if not records and not gone:
        blocks.append(Note("No trial is done, so no stage has told its time.", "missing"))
    undone = Counter(trial.status for trial in sweep.trials if not trial.summary and trial.story is None)
    if records and undone:
        listed = ", ".join(f"{count} {status}" for status, count in undone.items())
        text = f"Stages of trials that are not done are not counted, what they have run included: {listed}."
        blocks.append(Note(text, "missing"))
    folders = Counter(record.folder for record in distinct(records) if record.name in _STUDENTS)
    shared = [folder for folder, stages in folders.items() if stages > 1]
    if shared:
        text = (
            f"Several stages of other student seeds lie in {', '.join(shared)}: the runs of seeds that they have in "
            "common count in each, so the sum may be more than what ran."
        )
        blocks.append(Note(text, "warning"))
    lead = f"In all: {hours_in_words(hours(records))}; the trials' commands ran for {ran:.0f} s." if records else ""
    return Section(f"{prefix}sweep-cost", "Cost of the sweep", blocks, lead)


def _table(records: list[StageRecord], prefix: str) -> Table:
    kept = distinct(records)
    rows: list[list[Cell]] = []
    for name in dict.fromkeys(record.name for record in kept):
        own = [record for record in kept if record.name == name]
        seconds = sum(record.seconds for record in own)
        made = [record.images for record in own if record.images]
        images = sum(made) if len(made) == len(own) else None
        used = sum(record.name == name for record in records)
        rows.append([name, len(own), used, seconds, seconds / len(own), seconds / images if images else None])
    total = sum(record.seconds for record in kept)
    rows.append(["all", len(kept), len(records), total, None, None])
    columns = (Column("stage"), Column("ran", 0, True), Column("used", 0, True), Column("seconds", 1, True),
               Column("seconds each", 1, True), Column("seconds per image", 3, True))  # fmt: skip
    text = (
        "Ran: how often; used: by how many trials, which share what is equal. Seconds of a stage are its whole "
        "process; those of students are the sum over their seeds."
    )
    return Table(f"{prefix}sweep-cost-table", "Stages", columns, rows, text)
