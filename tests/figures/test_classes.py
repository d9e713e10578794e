import pytest

from hieramp_lit.figures import draw_classes
from hieramp_lit.figures.classes import MOST_NAMED, by_value
from tests.figures.drawn import cut_off, legend, overlapping, texts

NAMES = ["cat", "dog", "owl"]


def test_highest_first_none_last_equals_in_order():
    assert by_value([1.0, None, 3.0, 1.0, 0.0]) == [2, 0, 3, 4, 1]


def test_marks_of_every_set_stand_in_the_order_of_the_first():
    axes = draw_classes(NAMES, {"ours": [50.5, 90.5, None], "off": [60.5, 80.5, 70.5]}, "top-1, %").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["dog", "cat", "owl"]
    ours, off = axes.lines
    assert (list(ours.get_xdata()), list(ours.get_ydata())) == ([90.5, 50.5], [-0.12, 0.88])
    assert (list(off.get_xdata()), list(off.get_ydata())) == ([80.5, 60.5, 70.5], [0.12, 1.12, 2.12])
    assert ours.get_marker() != off.get_marker()


def test_values_are_printed_beside():
    found = texts(draw_classes(NAMES, {"ours": [50.5, 90.5, None], "off": [60.5, 80.5, 70.5]}, "top-1, %"))
    assert [word for word in found if word in {"90.5", "50.5", "–"}] == ["90.5", "50.5", "–"]
    assert [word for word in found if word in {"80.5", "60.5", "70.5"}] == ["80.5", "60.5", "70.5"]


def test_a_thousand_classes_are_ranks_with_named_ends():
    names = [f"class {place}" for place in range(1000)]
    values = [float(place) for place in range(999)] + [None]
    figure = draw_classes(names, {"ours": values, "off": [1.0] * 1000}, "top-1, %")
    (axes,) = figure.axes
    off, ours = axes.lines
    assert list(ours.get_xdata()) == list(range(1, 1000))
    assert list(ours.get_ydata()) == [float(998 - place) for place in range(999)]
    assert list(off.get_xdata()) == list(range(1, 1001))
    ends = next(word for word in texts(figure) if word.startswith("highest"))
    assert ends.splitlines() == [
        "highest",
        *(f"{place}  class {place}" for place in (998, 997, 996, 995, 994)),
        "",
        "lowest",
        *(f"{place}  class {place}" for place in (4, 3, 2, 1, 0)),
    ]


@pytest.mark.parametrize("count", [3, MOST_NAMED + 1])
def test_sets_whose_names_begin_with_an_underscore_are_in_the_legend(count):
    names = [f"class {place}" for place in range(count)]
    assert legend(draw_classes(names, {"_ours": [1.0] * count, "off": [2.0] * count}, "%")) == ["_ours", "off"]


@pytest.mark.parametrize(("count", "sets"), [(1, 1), (1, 3), (10, 4), (MOST_NAMED, 3), (1000, 4)])
def test_labels_have_room(count, sets):
    names = [f"{place}: a dog with a long name, {'hound, ' * 9}" for place in range(count)]
    values = {
        f"set {number} {'long ' * 30}": [(7 * place + number) % 101 + 0.5 for place in range(count)]
        for number in range(sets)
    }
    figure = draw_classes(names, values, "top-1, %")
    assert overlapping(figure) == []
    assert cut_off(figure) == []


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        draw_classes([], {"ours": []}, "top-1, %")
    with pytest.raises(ValueError, match="off has 1 values for 3 classes"):
        draw_classes(NAMES, {"ours": [1, 2, 3], "off": [1]}, "top-1, %")
