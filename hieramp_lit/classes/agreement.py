"""Whether two class lists mean the same classes by the same rows."""

from collections.abc import Sequence
from typing import NamedTuple

from hieramp_lit.classes.class_list import ClassEntry, ClassList

MOST_NAMED = 6


class Disagreement(NamedTuple):
    """A class row that two lists use for different classes.

    Attributes:
        asked: The class that is to take the row.
        known: The class that the row stands for; None if the row is unknown.
    """

    asked: ClassEntry
    known: ClassEntry | None


def same_class(one: ClassEntry, other: ClassEntry) -> bool:
    """Whether two entries mean one class: by ImageNet index or WordNet id where both have it, else by name."""
    if one.imagenet_index is not None and other.imagenet_index is not None:
        return one.imagenet_index == other.imagenet_index
    if one.wnid is not None and other.wnid is not None:
        return one.wnid == other.wnid
    return one.name == other.name


def disagreements(asked: ClassList, known: ClassList) -> list[Disagreement]:
    """Rows of `asked` that `known` has for another class, or has not.

    Args:
        asked: Classes on the rows that are to be used.
        known: Classes that rows stand for.

    Returns:
        One entry a row, in the order of `asked`.
    """
    of_row = {entry.row: entry for entry in known.entries}
    found = []
    for entry in asked.entries:
        other = of_row.get(entry.row)
        if other is None or not same_class(entry, other):
            found.append(Disagreement(entry, other))
    return found


def name_disagreements(found: Sequence[Disagreement], asked: str, known: str) -> str:
    """The first disagreements in words, e.g. ``row 0 is 'zebra' in data.classes, 'apple' in the weights``.

    Args:
        found: Disagreements.
        asked: Where the asked classes stand.
        known: Where the known classes stand.
    """
    lines = [
        f"row {pair.asked.row} is {_called(pair.asked)} {asked}, {_called(pair.known)} {known}"
        for pair in found[:MOST_NAMED]
    ]
    more = f"; and {len(found) - MOST_NAMED} rows more" if len(found) > MOST_NAMED else ""
    return "; ".join(lines) + more


def _called(entry: ClassEntry | None) -> str:
    if entry is None:
        return "unknown"
    return repr(entry.name) + (f" ({entry.wnid})" if entry.wnid not in (None, entry.name) else "")
