"""The numbers of the HIERAMP paper (and of two later ones), as data."""

import csv
from functools import cache
from importlib import resources
from typing import NamedTuple

TABLES = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "SAM", "DIVER")
TITLES = {
    "1": "Comparison of methods",
    "2": "Across architectures",
    "3": "Where, how strongly and how much of a scale to amplify",
    "4": "One stage amplified less than the others",
    "5": "Amplified DiT",
    "6": "FID",
    "7": "Class tokens alone",
    "8": "Time of an image beside D³HR",
    "9": "What class tokens and amplification cost",
    "SAM": "Self-adaptive memory",
    "DIVER": "DIVER",
}
PER_CENT = "top1"
OF_AN_IMAGE = ("seconds_per_image", "peak_memory_gb")
"""Metrics that have nothing to do with the classes."""


class PaperCell(NamedTuple):
    """One number of a paper.

    Attributes:
        table: One of `TABLES`; a number is a table of the HIERAMP paper.
        dataset: ``imagenet1k``, ``imagewoof``, ``cifar10`` …
        ipc: Images per class; None where it does not matter.
        method: As the paper calls it.
        teacher: Architecture; empty where there is none.
        student: Likewise.
        setting: What the rows of an ablation differ in, e.g. ``coarse 5 30%``.
        metric: ``top1`` (in %), ``fid``, ``seconds_per_image``, ``peak_memory_gb``.
        mean: As printed.
        std: What stands behind its ±; None where nothing does.
        printed: Both as printed, e.g. ``47.6 ± 0.2``.
        note: What contradicts this number elsewhere in the paper.
    """

    table: str
    dataset: str
    ipc: int | None
    method: str
    teacher: str
    student: str
    setting: str
    metric: str
    mean: float
    std: float | None
    printed: str
    note: str


@cache
def paper_cells() -> tuple[PaperCell, ...]:
    """All of them, in the papers' order; from ``paper_results.csv``, which ships with the package."""
    text = resources.files("hieramp_lit.report").joinpath("paper_results.csv").read_text(encoding="utf-8")
    return tuple(
        PaperCell(
            table=line["table"],
            dataset=line["dataset"],
            ipc=int(line["ipc"]) if line["ipc"] else None,
            method=line["method"],
            teacher=line["teacher"],
            student=line["student"],
            setting=line["setting"],
            metric=line["metric"],
            mean=float(line["mean"]),
            std=float(line["std"]) if line["std"] else None,
            printed=line["mean"] + (f" ± {line['std']}" if line["std"] else ""),
            note=line["note"],
        )
        for line in csv.DictReader(text.splitlines())
    )
