"""Curves of entropy and coverage are the numbers given."""

import pytest

from hieramp_lit.figures import TokenCurve, draw_token_statistics
from tests.figures.drawn import cut_off, legend, overlapping

PLAIN = TokenCurve(
    "plain", [0.0, 1.5, 2.0], [0.1, 0.2, 0.5], [0.0, 1.0, 1.5], [0.0, 0.1, 0.2], [0.1, 0.1, 0.3], [0.0, 0.05, 0.1]
)
OURS = PLAIN._replace(label="ours $x$", entropy=[0.0, 2.5, 1.0])


def test_lines_are_the_values_and_bands_their_spread():
    figure = draw_token_statistics([1, 2, 4], ["none", "coarse", "fine"], [PLAIN, OURS])
    entropy, coverage, of_class, coverage_of_class = figure.axes
    assert [list(line.get_ydata()) for line in entropy.get_lines()] == [[0.0, 1.5, 2.0], [0.0, 2.5, 1.0]]
    assert list(coverage.get_lines()[0].get_ydata()) == pytest.approx([10, 20, 50])
    assert list(coverage_of_class.get_lines()[1].get_ydata()) == pytest.approx([10, 10, 30])
    band = of_class.collections[0].get_paths()[0].vertices
    assert sorted({round(float(y), 9) for x, y in band if x == 2}) == [1.3, 1.7]
    assert [tick.get_text() for tick in of_class.get_xticklabels()] == ["1", "2", "4"]
    assert [text.get_text() for text in entropy.texts] == ["coarse", "fine"]
    assert legend(figure) == ["plain", "ours $x$"]


def test_a_set_whose_name_begins_with_an_underscore_is_in_the_legend():
    curves = [PLAIN._replace(label="_plain"), OURS]
    assert legend(draw_token_statistics([1, 2, 4], ["none", "coarse", "fine"], curves)) == ["_plain", "ours $x$"]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="0 curves of"):
        draw_token_statistics([1, 2], ["none", "coarse"], [])
    with pytest.raises(ValueError, match=r"1 curves of \[3\] values and 2 stages received for 2 scales"):
        draw_token_statistics([1, 2], ["none", "coarse"], [PLAIN])


def test_many_sets_and_scales_stay_legible():
    stages = ["none", *["coarse"] * 3, *["mid"] * 3, *["fine"] * 3]
    values = [[float(scale) for scale in range(10)]] * 6
    curves = [TokenCurve(f"C-M-F 0.1-5-5 ρ 30-50-30% (3c6200626{number})", *values) for number in range(6)]
    figure = draw_token_statistics([1, 2, 3, 4, 5, 6, 8, 10, 13, 16], stages, curves)
    assert (cut_off(figure), overlapping(figure)) == ([], [])
