"""How all figures look, and how they are saved: the same numbers give the same bytes."""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import matplotlib as mpl
from cycler import cycler
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from hieramp_lit.files import atomic_write

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#6E6E6E")
"""Colours that colour-blind readers tell apart (Okabe and Ito, 2008), in the order of use."""
STAGE_COLOURS = {"none": "#6E6E6E", "coarse": "#0072B2", "mid": "#009E73", "fine": "#D55E00"}
"""Of the stages of a schedule."""
SEQUENTIAL = "cividis"
"""Colour map of values from low to high; made for colour-blind readers too."""
ALONG = LinearSegmentedColormap.from_list("along", ("#3f86d8", "#8c8a86", "#d9730d"))
"""Colour map of lines from low to high: as bright at both ends, so that none drowns on white or on black."""
PAPER = "#fefefe"
"""What a figure lies on: white in files, the page's own background on a page (gaps between cells, behind text)."""

_INK = "#1b1b1d"
_RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.parse_math": False,  # names come from files: a `$` is a dollar
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _INK,
    "grid.alpha": 0.15,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=COLOURS),
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "hieramp_lit",
    "pdf.fonttype": 42,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
_TAG = re.compile(r"<[^>]*>")
_NOT_FOR_PAGES = re.compile(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", re.DOTALL)


@contextmanager
def new_figure(width: float = 4.8, height: float = 3.0) -> Iterator[Figure]:
    """An empty figure in the house style, to be drawn on inside of the block; at its end, everything has its place.

    Args:
        width: Inches. A page shows a figure at 0.85 to 1.12 of its size, so that text of 7.5 points, the least there
            should be, has 8.5 pixels or more; what is wider than a phone's screen is scrolled there.
        height: Inches.
    """
    with mpl.rc_context(_RC):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        # Laid out once: again at another resolution, the same figure would come out another.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


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


def to_svg(figure: Figure, prefix: str = "", title: str = "", description: str = "") -> str:
    """The figure as an ``<svg>`` element for a page: it scales, and its ink and paper follow dark mode.

    Ink becomes ``currentColor``, paper the page's ``--paper``, the font the page's own. Nothing in it reaches
    beyond it: styles are attributes, and the only ids left are those that it refers to itself.

    Args:
        figure: From `new_figure`.
        prefix: Goes before every id, so that several figures can stand on a page.
        title: Its name for those who do not see it.
        description: What it shows, for the same.
    """
    text = io.StringIO()
    with mpl.rc_context(_RC):
        figure.savefig(text, format="svg", metadata=_without_date("svg"))
    svg = text.getvalue()
    svg = _NOT_FOR_PAGES.sub("", svg[svg.index("<svg") :])
    used = set(re.findall(r'(?:xlink:href="#|url\(#)([\w.-]+)', svg))
    svg = _TAG.sub(lambda tag: _for_page(tag[0], used, prefix), svg).replace("\n", " ").strip()
    if not title:
        return svg
    start = svg.index(">")
    named = f' role="img" aria-labelledby="{prefix}title" aria-describedby="{prefix}description"'
    words = (
        f'<title id="{prefix}title">{escape(title)}</title><desc id="{prefix}description">{escape(description)}</desc>'
    )
    return f"{svg[:start]}{named}>{words}{svg[start + 1 :]}"


def _for_page(tag: str, used: set[str], prefix: str) -> str:
    """One tag; text between tags holds names from files and stays as it is."""
    tag = re.sub(r"(-?\d+\.\d{2})\d+", r"\1", tag)
    tag = re.sub(_INK, "currentColor", tag, flags=re.IGNORECASE)
    tag = re.sub(PAPER, "var(--paper, white)", tag, flags=re.IGNORECASE)
    tag = re.sub(r" font-family: [^;\"]*;?", "", tag)
    tag = re.sub(r'xlink:href="#|url\(#', lambda start: f"{start[0]}{prefix}", tag)
    tag = re.sub(r' id="([^"]*)"', lambda name: f' id="{prefix}{name[1]}"' if name[1] in used else "", tag)
    if tag.startswith("<svg"):
        tag = re.sub(r' (?:width|height)="[^"]*"', "", tag)
    return tag


def _without_date(kind: str) -> dict[str, Any]:
    return {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind, {})
