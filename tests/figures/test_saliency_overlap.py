import pytest

from hieramp_lit.figures.saliency_overlap import OverlapLine, draw_saliency_overlap
from tests.figures.drawn import cut_off, overlapping, texts


def test_points_stand_at_their_values() -> None:
    lines = {
        "amplified": OverlapLine([None, 0.5, 0.6], [None, 0.0, 1.0], [None, 0.4, 0.3], 0.25, 4),
        "plain": OverlapLine([None, 0.3, 0.35], [None, 0.5, 0.75], [None, 0.4, 0.2], 0.2, 8),
    }
    figure = draw_saliency_overlap(lines, (1, 2, 5))
    left, right = figure.axes
    assert [list(line.get_xdata()) for line in left.lines] == [[1, 2]] * 4
    assert [list(line.get_ydata()) for line in left.lines] == [
        pytest.approx([50, 60]), pytest.approx([25, 25]), pytest.approx([30, 35]), pytest.approx([20, 20]),
    ]  # fmt: skip
    assert [list(line.get_ydata()) for line in right.lines] == [
        pytest.approx([0, 100]), pytest.approx([40, 30]), pytest.approx([50, 75]), pytest.approx([40, 20]),
    ]  # fmt: skip
    assert {"amplified (n = 4)", "plain (n = 8)", "2\n5²"} <= set(texts(figure))
    assert cut_off(figure) == overlapping(figure) == []


def test_any_title_is_a_legible_label() -> None:
    titles = ["_plain", "amplified " * 15, "two\nlines\tand\x07a bell"]
    line = OverlapLine([0.5], [0.5], [0.4], 0.2, 8)
    figure = draw_saliency_overlap(dict.fromkeys(titles, line), (2,))
    legend = [text.get_text().removeprefix("\N{ZERO WIDTH SPACE}") for text in figure.legends[0].get_texts()]
    names = ("_plain", "amplified amplified amplified ampli…", "two lines and a bell")
    assert legend == [f"{name} (n = 8)" for name in names]
    assert cut_off(figure) == overlapping(figure) == []


def test_other_numbers_of_scales_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[1\] values for 2 scales"):
        draw_saliency_overlap({"one": OverlapLine([0.5], [0.5], [0.5], 0.5, 1)}, (1, 2))
