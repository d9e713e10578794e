"""Students' learning curves from the ``metrics.csv`` of each seed."""

import csv
import math
import statistics
from collections.abc import Mapping
from pathlib import Path

CURVES = ("val/top1", "val/top5", "train/loss")
EPOCH = "curves/epoch"


def curve_rows(metrics: Mapping[int, Path]) -> list[dict[str, float]]:
    """Join the curves of all seeds into one row an epoch.

    Args:
        metrics: For each seed the ``metrics.csv`` of its run; a value that stands there twice, as after a resumed run,
            counts as it was written last.

    Returns:
        Rows by epoch: ``curves/epoch``; ``curves/seed-N/NAME`` of each seed and name in `CURVES`; and where every seed
        has a finite value, ``curves/mean/NAME`` and with more than one seed ``curves/std/NAME``, the sample standard
        deviation.

    Raises:
        ValueError: If a file is absent or holds none of the curves.
    """
    curves = {seed: _read(path) for seed, path in metrics.items()}
    epochs = sorted({epoch for curve in curves.values() for epoch in curve})
    rows = []
    for epoch in epochs:
        row: dict[str, float] = {EPOCH: epoch}
        for name in CURVES:
            values = {seed: curve[epoch][name] for seed, curve in curves.items() if name in curve.get(epoch, {})}
            row |= {f"curves/seed-{seed}/{name}": value for seed, value in values.items()}
            if len(values) == len(curves) and all(map(math.isfinite, values.values())):
                row[f"curves/mean/{name}"] = statistics.fmean(values.values())
                if len(values) > 1:
                    row[f"curves/std/{name}"] = statistics.stdev(values.values())
        rows.append(row)
    return rows


def _read(path: Path) -> dict[int, dict[str, float]]:
    """Each epoch's values by name."""
    found: dict[int, dict[str, float]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                values = {name: float(line[name]) for name in CURVES if line.get(name)}
                if values:
                    found.setdefault(int(line["epoch"]), {}).update(values)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(
            f"{path} is no readable metrics.csv of a student ({type(error).__name__}: {error})."
        ) from error
    if not found:
        raise ValueError(f"{path} holds none of the curves {list(CURVES)}: is it the metrics.csv of a student?")
    return found
