"""A folder of students' runs: whose curves lie where, and which set they were trained on."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

METRICS = "metrics.csv"
CONFIG = "config.yaml"

_VERSION = re.compile(r"version_(\d+)")
_PLACES = (".", "version_*", "runs/version_*", "seed-*", "seed-*/version_*", "seed-*/runs/version_*")
"""Where our commands leave a run's folder, from that of the results on."""


def curves_of(folder: Path, seeds: Sequence[int] | None = None) -> dict[str, tuple[Path, ...]]:
    """Each seed's ``metrics.csv``; a run that was interrupted and went on has several.

    Args:
        folder: That holds ``result.json``, or what `hieramp students` wrote.
        seeds: Whose; None takes all.

    Returns:
        Files in the order of writing, by ``seed N``.
    """
    found: dict[int, list[Path]] = {}
    for run in sorted(_runs(folder), key=_number):
        values = configuration_of(run)
        seed = (values.get("model") or {}).get("init_args", {}).get("seed")
        if isinstance(seed, int) and (seeds is None or seed in seeds):
            found.setdefault(seed, []).append(run / METRICS)
    return {f"seed {seed}": tuple(files) for seed, files in sorted(found.items())}


def set_of(folder: Path) -> str | None:
    """The path of the set that students were trained on, as their configuration names it; None if it names none."""
    for run in (folder, *_runs(folder)):
        path = (configuration_of(run).get("data") or {}).get("init_args", {}).get("path")
        if isinstance(path, str):
            return path
    return None


def configuration_of(run: Path) -> Mapping[str, Any]:
    """A run's ``config.yaml``; empty where there is none that can be read."""
    try:
        values = yaml.load((run / CONFIG).read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return values if isinstance(values, Mapping) else {}


def _runs(folder: Path) -> Iterator[Path]:
    for place in _PLACES:
        for path in sorted(folder.glob(f"{place}/{METRICS}" if place != "." else METRICS)):
            yield path.parent


def _number(run: Path) -> int:
    match = _VERSION.fullmatch(run.name)
    return int(match[1]) if match else -1


_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""In C where PyYAML has it: a run's whole configuration takes a twentieth of a second otherwise."""
