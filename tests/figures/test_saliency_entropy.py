import pytest

from hieramp_lit.figures.saliency_entropy import EntropyLine, draw_saliency_entropy
from tests.figures.drawn import cut_off, texts


def test_points_stand_at_their_values() -> None:
    lines = {
        "amplified": EntropyLine([None, 0.9, 0.8], [None, 0.05, None], 7),
        "plain": EntropyLine([None, 0.95, 0.7], [None, 0.01, 0.02]),
    }
    figure = draw_saliency_entropy(lines, (1, 2, 5))
    first, second = figure.axes[0].containers
    assert first.lines[0].get_ydata() == pytest.approx([90, 80])
    assert second.lines[0].get_ydata() == pytest.approx([95, 70])
    assert [round(float(x)) for x in first.lines[0].get_xdata()] == [1, 2]
    assert first.lines[0].get_xdata()[0] < second.lines[0].get_xdata()[0]  # beside each other, never on top
    (bars,) = second.lines[2]
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [
        pytest.approx([94, 96]),
        pytest.approx([68, 72]),
    ]
    shown = texts(figure)
    assert {"amplified (n = 7)", "plain", "2\n5 × 5"} <= set(shown)
    assert cut_off(figure) == []


@pytest.mark.parametrize("images", [None, 20])
def test_any_title_is_a_legible_label(images: int | None) -> None:
    titles = ["_plain", "amplified " * 15, "two\nlines\tand\x07a bell"]
    figure = draw_saliency_entropy({title: EntropyLine([0.5], [0.1], images) for title in titles}, (2,))
    legend = [text.get_text().removeprefix("\N{ZERO WIDTH SPACE}") for text in figure.axes[0].get_legend().get_texts()]
    count = "" if images is None else f" (n = {images})"
    assert legend == [
        f"{name}{count}" for name in ("_plain", "amplified amplified amplified ampli…", "two lines and a bell")
    ]
    assert cut_off(figure) == []


def test_other_numbers_of_scales_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[1\] values for 2 scales"):
        draw_saliency_entropy({"one": EntropyLine([0.5], [None])}, (1, 2))
    with pytest.raises(ValueError, match=r"\[\] values"):
        draw_saliency_entropy({}, (1, 2))
