import pytest

from hieramp_lit.figures.labels import decimals_for, legend_label, one_line, plain, wrapped
from hieramp_lit.figures.style import new_figure


@pytest.mark.parametrize(
    ("text", "limit", "label"),
    [
        ("tench", 5, "tench"),
        ("golden  retriever\n\tdog", 40, "golden retriever dog"),
        ("bell\x07\x00rings", 40, "bell rings"),
        ("great white shark", 9, "great wh…"),
        ("great white shark", 7, "great…"),
        ("", 5, ""),
    ],
)
def test_a_name_is_one_line_of_what_has_room(text, limit, label):
    assert one_line(text, limit) == label


def test_a_wrapped_name_says_when_it_is_cut():
    assert wrapped("amplified at all of the scales", 12) == "amplified at\nall of the…"
    assert wrapped("", 12) == ""


def test_a_legend_leaves_no_name_out():
    for name in ("_ours", "ours", "__", "a_b"):
        with new_figure() as figure:
            figure.subplots().plot([0, 1], label=legend_label(name))
            figure.legend()
        shown = [text.get_text() for text in figure.legends[0].get_texts()]
        assert [text.removeprefix("\N{ZERO WIDTH SPACE}") for text in shown] == [name]
    assert legend_label("ours") == "ours"


@pytest.mark.parametrize(
    ("values", "decimals"),
    [([1, 2.0], 0), ([63.25, 0.4], 1), ([9.5, None], 2), ([0.25], 3), ([], 0), ([float("nan"), 5.5], 2)],
)
def test_decimals_follow_the_largest(values, decimals):
    assert decimals_for(values) == decimals


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(-0.5, None, "−0.5"), (63.25, 1, "63.2"), (5.0, None, "5"), (-1.0, 2, "−1.00"), (1e-7, None, "1e−07")],
)
def test_numbers_as_people_write_them(value, decimals, text):
    assert plain(value, decimals) == text
