"""Values of every class, of one set or several: ten classes by name, a thousand by rank."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hieramp_lit.figures.labels import decimals_for, legend_label, one_line, plain
from hieramp_lit.figures.style import COLOURS, new_figure

MOST_NAMED = 60
"""Classes that are all drawn by name; of more, only the lowest and highest are named."""
_ENDS = 5
_MARKERS = "osD^vP*X"
_SIGNS = "●■◆"  # the first of the markers, as text


def by_value(values: Sequence[float | None]) -> list[int]:
    """Places from the highest value to the lowest, those without one last; equals keep their order."""
    return sorted(range(len(values)), key=lambda place: _falling(values[place]))


def _falling(value: float | None) -> tuple[bool, float]:
    return value is None, 0.0 if value is None else -value


def draw_classes(names: Sequence[str], values: Mapping[str, Sequence[float | None]], xlabel: str) -> Figure:
    """Per-class values, sorted by those of the first set.

    Up to `MOST_NAMED` classes are rows with a mark for each set. More are one mark each over their rank, with the
    five lowest and highest of the first set by name.

    Args:
        names: Of the classes.
        values: One for each class, by the name of the set; None where nothing was measured.
        xlabel: What they measure, with the unit.

    Raises:
        ValueError: If there is nothing to draw, or a set has not one value for each class.
    """
    if not names or not values:
        raise ValueError(f"draw_classes: {len(names)} classes of {len(values)} sets; expected at least one of both.")
    for title, of_set in values.items():
        if len(of_set) != len(names):
            raise ValueError(f"draw_classes: {title} has {len(of_set)} values for {len(names)} classes.")
    return _draw_rows(names, values, xlabel) if len(names) <= MOST_NAMED else _draw_ranks(names, values, xlabel)


def _known(values: Sequence[float | None]) -> list[tuple[int, float]]:
    """Place and value, where there is one."""
    return [(place, value) for place, value in enumerate(values) if value is not None]


def _printed(value: float | None, decimals: int) -> str:
    return "–" if value is None else plain(value, decimals)


def _draw_rows(names: Sequence[str], values: Mapping[str, Sequence[float | None]], xlabel: str) -> Figure:
    order = by_value(next(iter(values.values())))
    decimals = decimals_for([value for of_set in values.values() for value in of_set])
    with new_figure(4.8, 0.9 + 0.21 * len(names) + 0.2 * len(values)) as figure:
        axes = figure.subplots()
        for column, (title, of_set) in enumerate(values.items()):
            known = _known([of_set[place] for place in order])
            beside = (column - (len(values) - 1) / 2) * min(0.24, 0.7 / len(values))  # equal values stay in sight
            axes.plot(
                [value for _, value in known],
                [row + beside for row, _ in known],
                _MARKERS[column % len(_MARKERS)],
                color=COLOURS[column % len(COLOURS)],
                markersize=5,
                label=legend_label(one_line(title, 60)),
            )
            if len(values) <= len(_SIGNS):
                texts = [_printed(of_set[place], decimals) for place in order]
                _print_column(axes, column, texts, _SIGNS[column] if len(values) > 1 else "")
        axes.set_yticks(range(len(order)), [one_line(names[place], 28) for place in order])
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="both")
        axes.set_xlabel(xlabel)
        if len(values) > 1:
            figure.legend(loc="outside upper left", fontsize=8.5)
    return figure


def _print_column(axes: Axes, column: int, texts: Sequence[str], sign: str) -> None:
    """The values of one set beside the axes, below its mark."""
    look: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "fontsize": 8, "annotation_clip": False}
    right = 36 * (column + 1)
    for row, text in enumerate(texts):
        axes.annotate(text, (1, row), xycoords=axes.get_yaxis_transform(), xytext=(right, 0), va="center", **look)
    if sign:
        axes.annotate(sign, (1, 1), xycoords="axes fraction", xytext=(right, 3), color=COLOURS[column], **look)


def _draw_ranks(names: Sequence[str], values: Mapping[str, Sequence[float | None]], xlabel: str) -> Figure:
    first = next(iter(values.values()))
    order = by_value(first)
    decimals = decimals_for([value for of_set in values.values() for value in of_set])
    with new_figure(4.8, 3.6 + 0.2 * len(values)) as figure:
        axes = figure.subplots()
        # The first set, which gives the order, lies on top of what scatters around it.
        for column, (title, of_set) in reversed(list(enumerate(values.items()))):
            known = _known([of_set[place] for place in order])
            axes.plot(
                [place + 1 for place, _ in known],
                [value for _, value in known],
                _MARKERS[column % len(_MARKERS)] if column else "-",
                color=COLOURS[column % len(COLOURS)],
                markersize=2.5,
                alpha=0.5 if column else 1,
                markeredgewidth=0,
                linewidth=2.5,
                label=legend_label(one_line(title, 60)),
            )
        axes.set_xlabel(
            f"rank of {len(names)} classes" + (f", by {one_line(next(iter(values)), 20)}" if len(values) > 1 else "")
        )
        axes.set_ylabel(xlabel)
        axes.grid(axis="y")
        measured = [place for place in order if first[place] is not None]
        ends = [f"{_printed(first[place], decimals)}  {one_line(names[place], 20)}" for place in measured]
        lines = ["highest", *ends[:_ENDS], "", "lowest", *ends[-_ENDS:]]
        axes.annotate(
            "\n".join(lines), (1.03, 1), xycoords="axes fraction", va="top", fontsize=8, annotation_clip=False
        )
        if len(values) > 1:
            figure.legend(loc="outside lower left", fontsize=8.5, reverse=True, markerscale=2.5)
    return figure
