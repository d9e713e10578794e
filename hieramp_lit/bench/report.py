"""What `hieramp bench` shows: a table of timings side by side, and the same as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hieramp_lit.bench.measure import Timing
from hieramp_lit.bench.profile import Shares
from hieramp_lit.files import write_json


@dataclass(frozen=True)
class Group:
    """Candidates that were timed side by side.

    Attributes:
        title: What was measured, e.g. ``batch 8``.
        timings: One a candidate.
        reference: Index of the candidate that the others' ratios are over.
        ratio: Heading of the ratios' column: ``× time`` of a candidate over the reference's, or ``× speed``.
    """

    title: str
    timings: Sequence[Timing]
    reference: int = 0
    ratio: str = "× time"

    def ratios(self) -> list[float]:
        """Per candidate: time (or speed) of a unit of work over the reference's."""
        reference = self.timings[self.reference]
        if self.ratio == "× speed":
            return [reference.ratio_to(timing) for timing in self.timings]
        return [timing.ratio_to(reference) for timing in self.timings]


@dataclass(frozen=True)
class Report:
    """One run of `hieramp bench`.

    Attributes:
        name: What was measured: generate, tune, student or data.
        unit: Unit of work, e.g. ``images``.
        settings: What the user asked for, and what follows from it.
        machine: From `machine.describe`.
        matmul_flops_per_s: The machine's rate of matrix products in the run's precision; None if not measured.
        groups: The tables.
        notes: Lines below the tables.
        profiles: Where the time goes; tables of their own.
    """

    name: str
    unit: str
    settings: dict[str, Any]
    machine: dict[str, Any]
    groups: Sequence[Group]
    matmul_flops_per_s: float | None = None
    notes: Sequence[str] = ()
    profiles: Sequence[Shares] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "bench": self.name,
            "unit": self.unit,
            "settings": self.settings,
            "machine": self.machine,
            "matmul_flops_per_s": self.matmul_flops_per_s,
            "groups": [
                {
                    "title": group.title,
                    "reference": group.timings[group.reference].candidate.name,
                    "ratio": group.ratio,
                    "rows": [
                        timing.to_json() | {"ratio": ratio}
                        for timing, ratio in zip(group.timings, group.ratios(), strict=True)
                    ],
                }
                for group in self.groups
            ],
            "notes": list(self.notes),
            "profiles": [profile.to_json() for profile in self.profiles],
        }

    def write(self, path: Path) -> None:
        """Write the JSON file, replacing it atomically."""
        write_json(path, self.to_json())

    def show(self, console: Console) -> None:
        """Print the tables."""
        machine = self.machine
        console.print(
            f"{machine['device']}, {machine['threads']} threads, torch {machine['versions']['torch']}; "
            + ", ".join(f"{key} {value}" for key, value in self.settings.items()),
            highlight=False,
            markup=False,
        )
        if self.matmul_flops_per_s is not None:
            rate = f"{self.matmul_flops_per_s / 1e9:,.0f} GFLOP/s in {self.settings.get('precision', 'float32')}"
            console.print(f"matrix products: {rate}, which all shares are of", highlight=False)
        for group in self.groups:
            console.print(self._table(group))
        for profile in self.profiles:
            console.print(self._profile(profile))
        for note in self.notes:
            console.print(note, highlight=False, markup=False)

    def _table(self, group: Group) -> Table:
        singular = self.unit.removesuffix("s")
        table = Table(title=f"{self.name}: {group.title}", title_justify="left")
        table.add_column("", no_wrap=True)
        for heading in (f"ms/{singular}", "± spread", f"{self.unit}/s", group.ratio, "peak MiB", "GFLOP/s", "of peak"):
            table.add_column(heading, justify="right")
        table.add_column("first s", justify="right")
        for timing, ratio in zip(group.timings, group.ratios(), strict=True):
            table.add_row(timing.candidate.name, *self._cells(timing, ratio))
        return table

    def _profile(self, profile: Shares) -> Table:
        table = Table(title=f"{self.name}: where the time goes, {profile.title}", title_justify="left")
        table.add_column("", no_wrap=True)
        for heading in (f"ms/{self.unit.removesuffix('s')}", "share"):
            table.add_column(heading, justify="right")
        rows = {**profile.seconds, "all": profile.total_s, "products and convolutions at full rate": profile.limit_s}
        for name, seconds in rows.items():
            table.add_row(name, f"{1000 * seconds / profile.work:.1f}", f"{100 * seconds / profile.total_s:.0f} %")
        return table

    def _cells(self, timing: Timing, ratio: float) -> list[str]:
        work = timing.candidate.work
        achieved = timing.flops_per_s
        share = None if achieved is None or self.matmul_flops_per_s is None else achieved / self.matmul_flops_per_s
        return [
            f"{1000 * timing.median_s / work:.2f}",
            f"{1000 * timing.spread_s / work:.2f}",
            f"{timing.rate:.2f}",
            f"{ratio:.3f}",
            "–" if timing.peak_bytes is None else f"{timing.peak_bytes / 2**20:,.0f}",
            "–" if achieved is None else f"{achieved / 1e9:,.0f}",
            "–" if share is None else f"{100 * share:.0f} %",
            f"{timing.first_s:.2f}",
        ]
