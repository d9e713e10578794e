import pytest

from hieramp_lit.figures.labels import decimals_for, one_line, plain, wrapped


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
