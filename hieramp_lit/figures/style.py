"""How all figures look, and how they are saved: the same numbers give the same bytes."""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hieramp_lit.files import atomic_write

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#6E6E6E")
"""Colours that colour-blind readers tell apart (Okabe and Ito, 2008), in the order of use."""
STAGE_COLOURS = {"none": "#6E6E6E", "coarse": "#0072B2", "mid": "#009E73", "fine": "#D55E00"}
"""Of the stages of a schedule."""
SEQUENTIAL = "cividis"
"""Colour map of values from low to high; made for colour-blind readers too."""

_INK = "#1b1b1d"
_RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.prop_cycle": cycler(color=COLOURS),
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "hieramp_lit",
    "pdf.fonttype": 42,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


@contextmanager
def new_figure(width: float = 6.4, height: float = 3.2) -> Iterator[Figure]:
    """An empty figure in the house style, to be drawn on inside of the block.

    Args:
        width: Inches.
        height: Inches.
    """
    with mpl.rc_context(_RC):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


def save_figure(figure: Figure, stem: Path, formats: Sequence[str] = ("png", "pdf")) -> list[Path]:
    """Write a figure under a name for each format; on white, for papers.

    Args:
        figure: From `new_figure`.
        stem: Path without suffix.
        formats: Of matplotlib: ``png`` (200 dots per inch), ``pdf``, ``svg``.

    Returns:
        The files.

    Raises:
        OSError: If one cannot be written.
    """
    written = []
    for kind in formats:
        path = stem.with_name(f"{stem.name}.{kind}")
        with mpl.rc_context(_RC), atomic_write(path) as temporary:
            figure.savefig(temporary, format=kind, dpi=200, facecolor="white", metadata=_without_date(kind))
        written.append(path)
    return written


def to_svg(figure: Figure) -> str:
    """The figure as an ``<svg>`` element for a page; its ink is ``currentColor``, so that it follows dark mode."""
    text = io.StringIO()
    with mpl.rc_context(_RC):
        figure.savefig(text, format="svg", metadata=_without_date("svg"))
    svg = text.getvalue()
    return re.sub(_INK, "currentColor", svg[svg.index("<svg") :], flags=re.IGNORECASE)


def _without_date(kind: str) -> dict[str, Any]:
    return {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind, {})
