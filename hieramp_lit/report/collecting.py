"""Finding results in files and folders; what holds the same runs twice counts once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hieramp_lit.report.measured import Measured, read_measured
from hieramp_lit.report.results import FILE

INSPECTED = "inspect.json"


@dataclass(frozen=True)
class Collected:
    """What was found.

    Attributes:
        measured: Numbers, in the order of their files.
        left_out: Why a file that was found counts for nothing, one sentence each.
    """

    measured: tuple[Measured, ...]
    left_out: tuple[str, ...]


def collect(paths: Sequence[Path]) -> Collected:
    """Read files, and all ``result.json`` and ``inspect.json`` of folders.

    A cell of several seeds stands for the files of its seeds, and a trial for the students in its store.

    Raises:
        ValueError: If a file that was named is of another kind or damaged, or a folder holds no results.
    """
    measured, left_out = list[Measured](), list[str]()
    for path in paths:
        if not path.is_dir():
            measured += _of_file(path, left_out)
            continue
        files = _within(path)
        if not files:
            raise ValueError(
                f"{path}: there is no {FILE} and no {INSPECTED} in this folder. They are written at the end of "
                "`hieramp students`, `compare`, `cross`, `distill` and `inspect`."
            )
        for file in files:
            try:
                measured += _of_file(file, left_out)
            except ValueError as error:
                left_out.append(str(error))
    return Collected(tuple(_once(_with_class_tokens(measured), left_out)), tuple(left_out))


def _within(folder: Path) -> list[Path]:
    """Result files, but not those of seeds that stand joined in the folder above."""
    return [
        path
        for path in sorted((*folder.rglob(FILE), *folder.rglob(INSPECTED)))
        if not (path.name == FILE and path.parent.name.startswith("seed-") and (path.parents[1] / FILE).is_file())
    ]


def _of_file(path: Path, left_out: list[str]) -> list[Measured]:
    found = read_measured(path)
    if not found:
        left_out.append(f"{path} holds no number that the paper has a kind of: no students' results, and no FID.")
    return found


def _with_class_tokens(measured: Iterable[Measured]) -> list[Measured]:
    """Where a set is amplified, its weights have class tokens, and so have the same weights where nothing is."""
    known = list(measured)
    amplified = {one.weights for one in known if one.method == "HIERAMP" and one.weights}
    return [
        replace(one, class_tokens=True) if one.class_tokens is None and one.weights in amplified else one
        for one in known
    ]


def _once(measured: Sequence[Measured], left_out: list[str]) -> list[Measured]:
    """Leave out a number whose runs all stand in another result as well: in a larger one, or one that says more."""
    telling = sorted(measured, key=lambda one: one.class_tokens is None)  # stable: else the first
    place = {id(one): number for number, one in enumerate(telling)}
    kept = [
        one
        for one in measured
        if not any(
            one.runs_of < other.runs_of or (one.runs_of == other.runs_of and place[id(other)] < place[id(one)])
            for other in measured
        )
    ]
    if len(kept) < len(measured):
        left_out.append(
            f"{len(measured) - len(kept)} results hold runs that other results hold as well, and are shown once."
        )
    return kept
