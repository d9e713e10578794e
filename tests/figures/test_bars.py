import pytest
from matplotlib.colors import to_hex

from hieramp_lit.figures import Bar, draw_bars
from tests.figures.drawn import cut_off, overlapping, texts

BARS = [
    Bar("ours", 63.25, 0.44),
    Bar("random real images", 48, 1.5, "real"),
    Bar("paper, Table 1", 64.5, None, "paper"),
]


def test_lengths_and_error_bars():
    axes = draw_bars(BARS, "top-1, %").axes[0]
    assert [bar.get_width() for bar in axes.patches] == [63.25, 48, 64.5]
    spreads = [line.get_paths()[0].vertices[:, 0].tolist() for line in axes.collections]
    assert spreads == [[62.81, 63.69], [46.5, 49.5]]


def test_values_are_printed_from_top_to_bottom():
    figure = draw_bars(BARS, "top-1, %")
    found = texts(figure)
    places = [found.index(word) for word in ("63.2 ± 0.4", "48.0 ± 1.5", "64.5")]
    assert places == sorted(places)
    low, high = figure.axes[0].get_ylim()
    assert low > high
    assert "top-1, %" in found


def test_whose_a_number_is_shows_as_colour_and_legend():
    figure = draw_bars([*BARS, Bar("x", 1.0, None, "other")], "top-1, %")
    assert len({to_hex(bar.get_facecolor()) for bar in figure.axes[0].patches}) == 4
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "measured here",
        "real images",
        "paper",
        "other",
    ]
    assert not draw_bars(BARS[:1], "top-1, %").legends


@pytest.mark.parametrize("count", [1, 30])
def test_long_names_have_room(count):
    bars = [
        Bar(f"{place} a name that nobody would want to read aloud, {'very ' * 20} long", 99.99, 12.34)
        for place in range(count)
    ]
    figure = draw_bars(bars, "top-1 last, % (mean ± sample std over 3 seeds)")
    assert overlapping(figure) == []
    assert cut_off(figure) == []


def test_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        draw_bars([], "top-1, %")
