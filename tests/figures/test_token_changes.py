"""Bars of classes that rise, stay and fall are the shares of the numbers given."""

import pytest

from hieramp_lit.figures import ChangeBar, ChangePanel, draw_changes
from tests.figures.drawn import cut_off, overlapping

COARSE = ChangePanel("coarse", [ChangeBar("coarse 5 30%", 6, 1, 3), ChangeBar("fine 5 30%", 20, 0, 1)])
FINE = ChangePanel("fine", [ChangeBar("coarse 5 30%", 0, 4, 0), ChangeBar("fine 5 30%", 1, 0, 1)])


def test_bars_are_shares_of_the_classes():
    figure = draw_changes([COARSE, FINE], "entropy")
    first, second = figure.axes
    rises, stays, falls = first.containers
    assert [bar.get_width() for bar in rises] == pytest.approx([60, 2000 / 21])
    assert [bar.get_width() for bar in stays] == pytest.approx([10, 0])
    assert [(bar.get_x(), bar.get_width()) for bar in falls] == [
        pytest.approx((70, 30)),
        pytest.approx((2000 / 21, 100 / 21)),
    ]
    assert [text.get_text() for text in first.texts] == ["60", "95", "10", "30"]  # 1 of 21 is too narrow
    assert [text.get_text() for text in second.texts] == ["50", "100", "50"]
    assert [tick.get_text() for tick in first.get_yticklabels()] == ["coarse 5 30%", "fine 5 30%"]
    assert first.get_ylim()[0] > first.get_ylim()[1]  # the first bar is at the top
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["coarse", "fine"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["rises", "stays", "falls"]


def test_four_panels_take_two_lines():
    figure = draw_changes([COARSE._replace(title=str(number)) for number in range(4)], "coverage")
    assert [axes.get_visible() for axes in figure.axes] == [True] * 4 + [False] * 2


def test_what_does_not_fit_is_refused():
    other = ChangePanel("fine", [ChangeBar("another", 1, 1, 1)])
    empty = ChangePanel("fine", [ChangeBar("a", 0, 0, 0)])
    for panels in ([], [COARSE, other], [empty], [ChangePanel("none", [])]):
        with pytest.raises(
            ValueError, match="expected at least one panel, the same bars in each, and a class in every"
        ):
            draw_changes(panels, "entropy")


@pytest.mark.parametrize("number", [2, 10])
def test_long_names_stay_legible(number):
    bars = [ChangeBar(f"C-M-F 0.1-5-5 ρ 30-50-30% (3c6200626{place})", 30, 3, 40) for place in range(number)]
    figure = draw_changes([ChangePanel(f"{stage} of C-M-F 0.1-5-5 ρ 30%", bars) for stage in "abcd"], "entropy")
    assert (cut_off(figure), overlapping(figure)) == ([], [])
