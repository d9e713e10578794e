"""What stands in a figure: its texts, where they are, and the markup of its page form."""

import itertools
from collections.abc import Sequence
from html.parser import HTMLParser

from matplotlib.figure import Figure
from matplotlib.text import Text


def texts(figure: Figure) -> list[str]:
    """All visible words of a figure."""
    return [text.get_text() for text in _visible(figure)]


def legend(figure: Figure) -> list[str]:
    """Names in the legend of a figure."""
    return [text.get_text().removeprefix("\N{ZERO WIDTH SPACE}") for text in figure.legends[0].get_texts()]


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that cover each other by more than half a point."""
    boxes = [(text.get_text(), text.get_window_extent()) for text in _visible(figure)]
    return [
        (first, second)
        for (first, one), (second, other) in itertools.combinations(boxes, 2)
        if min(one.x1, other.x1) - max(one.x0, other.x0) > 0.7 and min(one.y1, other.y1) - max(one.y0, other.y0) > 0.7
    ]


def cut_off(figure: Figure) -> list[str]:
    """Texts that leave the figure."""
    canvas = figure.bbox
    return [
        text.get_text()
        for text in _visible(figure)
        if (box := text.get_window_extent()).x0 < canvas.x0 - 1
        or box.x1 > canvas.x1 + 1
        or box.y0 < canvas.y0 - 1
        or box.y1 > canvas.y1 + 1
    ]


def _visible(figure: Figure) -> list[Text]:
    figure.draw_without_rendering()
    hidden = {
        id(label)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
        if not axes.get_visible() or not _in_view(tick.get_loc(), axis.get_view_interval())
    }
    found = figure.findobj(lambda artist: isinstance(artist, Text) and bool(artist.get_text().strip()))
    return [text for text in found if text.get_visible() and id(text) not in hidden]


def _in_view(location: float, interval: Sequence[float]) -> bool:
    return min(interval) - 1e-9 <= location <= max(interval) + 1e-9


class Markup(HTMLParser):
    """Tags and words of a page or drawing, as a browser's parser separates them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]
