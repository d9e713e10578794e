"""What it took: seconds and memory of each stage and image, and hours of devices."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hieramp_lit.report.content.story import StageRecord, Story
from hieramp_lit.report.page import Block, Column, Note, Section, Table
from hieramp_lit.report.page.blocks import Cell

_HOUR = 3600.0
_GIB = 2**30
_CPU = "cpu"
_DEVICE = 4
"""Column of the device; that of their number follows."""


class Hours(NamedTuple):
    """Hours of devices.

    Attributes:
        gpu: Device count × seconds of stages that ran on GPUs.
        cpu: Seconds of those that ran on a CPU alone.
        unknown: Seconds of those that do not say.
    """

    gpu: float
    cpu: float
    unknown: float


def distinct(records: Iterable[StageRecord]) -> list[StageRecord]:
    """Stages that ran: of one hash, which trials share, the first."""
    found: dict[str, StageRecord] = {}
    for record in records:
        found.setdefault(record.hash, record)
    return list(found.values())


def hours(records: Iterable[StageRecord]) -> Hours:
    """Total hours, no stage twice."""
    gpu = cpu = unknown = 0.0
    for record in distinct(records):
        count = _gpus(record)
        if count is None:
            unknown += record.seconds / _HOUR
        elif count:
            gpu += count * record.seconds / _HOUR
        else:
            cpu += record.seconds / _HOUR
    return Hours(gpu, cpu, unknown)


def hours_in_words(total: Hours) -> str:
    """``0.04 CPU hours``; every kind that there is."""
    kinds = (("GPU", total.gpu), ("CPU", total.cpu))
    parts = [f"{value:.2g} {kind} hours" for kind, value in kinds if value]
    if total.unknown:
        parts.append(f"{total.unknown:.2g} hours of a device that was not recorded")
    return ", ".join(parts) or "nothing measured"


def cost_section(story: Story, prefix: str) -> Section:
    """The section of one story.

    Args:
        story: The story.
        prefix: Of all ids.
    """
    title = "Cost"
    if not story.stages:
        text = f"A {story.what} does not record how long it took: `hieramp distill` does, stage by stage."
        return Section(f"{prefix}cost", title, [Note(text, "missing")])
    total = hours(story.stages)
    return Section(f"{prefix}cost", title, cost_blocks(story.stages, prefix), f"In all: {hours_in_words(total)}.")


def cost_blocks(records: Sequence[StageRecord], prefix: str) -> list[Block]:
    """Table of stages, and what was not recorded.

    Args:
        records: At least one; those of one hash come once.
        prefix: Of all ids.
    """
    kept = distinct(records)
    columns = [Column("stage"), Column("seconds", 1, True), Column("images", 0, True),
               Column("seconds per image", 3, True), Column("device"), Column("devices", 0, True),
               Column("host memory, GiB", 2, True), Column("device memory, GiB", 2, True)]  # fmt: skip
    rows: list[list[Cell]] = []
    for record in kept:
        cost = record.cost or {}
        each = record.seconds / record.images if record.images else None
        rows.append([record.name, record.seconds, record.images, each, _device(record) or None, cost.get("devices"),
                     _gib(cost.get("peak_memory_bytes")), _gib(cost.get("peak_device_memory_bytes"))])  # fmt: skip
    text = (
        "Seconds of a stage are its whole process, start and loading included; those of students are the sum over "
        f"their seeds. Memory is the peak. GPU hours are devices × seconds; in all: {hours_in_words(hours(kept))}."
    )
    alone = {(row[_DEVICE], row[_DEVICE + 1]) for row in rows}
    if len(alone) == 1 and rows[0][_DEVICE] is not None:
        device, count = alone.pop()
        text += f" All on {device}{f' × {count}' if isinstance(count, int) and count > 1 else ''}."
        rows = [[*row[:_DEVICE], None, None, *row[_DEVICE + 2 :]] for row in rows]
    filled = [place for place in range(len(columns)) if any(row[place] is not None for row in rows)]
    rows = [[row[place] for place in filled] for row in rows]
    columns = [columns[place] for place in filled]
    blocks: list[Block] = [Table(f"{prefix}cost-table", "Cost of the stages", columns, rows, text)]
    without = [record.name for record in kept if (record.cost or {}).get("peak_memory_bytes") is None]
    if without:
        blocks.append(
            Note(
                f"Memory and devices were not recorded for: {', '.join(without)}. Earlier releases did not; a stage "
                "that runs now does.",
                "missing",
            )
        )
    return blocks


def _gpus(record: StageRecord) -> int | None:
    """How many GPUs it ran on; 0 on a CPU alone; None if nothing says."""
    name = _device(record)
    if not name:
        return None
    return 0 if name.startswith(_CPU) else int((record.cost or {}).get("devices") or 1)


def _device(record: StageRecord) -> str:
    return str((record.cost or {}).get("device") or record.device)


def _gib(size: float | None) -> float | None:
    return None if size is None else size / _GIB
