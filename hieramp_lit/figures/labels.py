"""Words and numbers in figures: names on one line, no longer than there is room; numbers to one precision."""

import math
import textwrap
import unicodedata
from collections.abc import Iterable


def one_line(text: str, limit: int = 40) -> str:
    """A name from a file as a label: no line breaks or control characters, the end given up if it is too long.

    Args:
        text: Any.
        limit: Most characters; longer ones end in ``…``.
    """
    printable = "".join(" " if unicodedata.category(sign)[0] in "ZC" else sign for sign in text)
    words = " ".join(printable.split())
    return words if len(words) <= limit else f"{words[: limit - 1].rstrip()}…"


def wrapped(text: str, width: int, lines: int = 2) -> str:
    """A name as a label of a few lines; what does not fit is given up, and ``…`` says so.

    Args:
        text: Any.
        width: Most characters a line.
        lines: Most lines.
    """
    return "\n".join(textwrap.wrap(one_line(text, 10_000), width, max_lines=lines, placeholder="…") or [""])


def legend_label(text: str) -> str:
    """A label as a legend shows it: matplotlib leaves out those that begin with ``_``, so nothing visible goes before.

    Args:
        text: Any.
    """
    return f"\N{ZERO WIDTH SPACE}{text}" if text.startswith("_") else text


def decimals_for(values: Iterable[float | None]) -> int:
    """Digits after the point that all values of a figure are printed with.

    0 if all are whole, else 1 from 10 up (per cent), 2 from 1 up, 3 below; by the largest.
    """
    known = [abs(value) for value in values if value is not None and math.isfinite(value)]
    if all(value == int(value) for value in known):
        return 0
    return 1 if max(known) >= 10 else 2 if max(known) >= 1 else 3


def plain(value: float, decimals: int | None = None) -> str:
    """A number as people write it: a true minus sign, never an exponent for what fits in six digits.

    Args:
        value: Any.
        decimals: Digits after the point; None for as many as it has, up to four significant ones.
    """
    text = f"{value:.4g}" if decimals is None else f"{value:.{decimals}f}"
    return text.replace("-", "−")
