"""An analysis as files: everything as JSON, and for each figure its numbers and its pictures."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hieramp_lit.analysis.token_figures import TokenFigure
from hieramp_lit.figures.style import save_figure
from hieramp_lit.files import write_json, write_text

FILE = "analysis.json"
FOLDER = "analysis"
"""Beside the shards of a set, of which it is no part."""
FORMATS = ("png", "pdf", "svg")


def write_analysis(
    folder: Path, result: Mapping[str, Any], figures: Sequence[TokenFigure], formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Write ``analysis.json`` last, and before it each figure as ``<figure>.csv``, ``.png``, ``.pdf`` and ``.svg``.

    Args:
        folder: Created where it does not exist; files of the same names are replaced.
        result: Plain JSON values.
        figures: Of different ids.
        formats: Of the pictures.

    Returns:
        The files.

    Raises:
        OSError: If one cannot be written.
    """
    written = []
    for one in figures:
        table = folder / f"{one.figure.id}.csv"
        write_text(table, _csv(one))
        written += [table, *save_figure(one.figure.draw(), folder / one.figure.id, formats)]
    write_json(folder / FILE, result)
    return [*written, folder / FILE]


def _csv(figure: TokenFigure) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(figure.columns)
    writer.writerows(figure.rows)
    return text.getvalue()
