import pytest
from matplotlib.colors import to_hex

from hieramp_lit.figures import Axis, draw_parallel
from hieramp_lit.figures.parallel import NONE_AT, scale_of
from hieramp_lit.figures.style import ALONG, COLOURS
from tests.figures.drawn import cut_off, overlapping, texts


def test_numbers_from_lowest_to_highest():
    assert scale_of(Axis("β", [5, 1, 3, None])) == (
        [1.0, 0.0, 0.5, NONE_AT],
        [(0.0, "1"), (0.5, "3"), (1.0, "5"), (NONE_AT, "none")],
    )


def test_words_at_equal_distances_in_order_of_first_use():
    assert scale_of(Axis("student", ["b", "a", "b", 3])) == (
        [0.0, 0.5, 0.0, 1.0],
        [(0.0, "b"), (0.5, "a"), (1.0, "3")],
    )


def test_a_single_value_stands_in_the_middle():
    assert scale_of(Axis("β", [5, 5])) == ([0.5, 0.5], [(0.5, "5")])
    assert scale_of(Axis("β", [None])) == ([NONE_AT], [(NONE_AT, "none")])


def test_values_that_crowd_get_five_ticks():
    assert scale_of(Axis("top-1", [0, 1, 100])).ticks == [(0, "0"), (0.25, "25"), (0.5, "50"), (0.75, "75"), (1, "100")]


def test_a_line_a_trial():
    axes = [Axis("β", [0, 10, 5]), Axis("top-1", [50, 60, None])]
    plot = draw_parallel(axes, [50.0, 60.0, None], "top-1, %", best=1).axes[0]
    lines = [line for line in plot.lines if len(line.get_xdata()) == 2 and line.get_marker() == "o"]
    assert [list(line.get_ydata()) for line in lines] == [[0.5, NONE_AT], [0, 0], [1, 1]]
    failed, worst, best = lines
    assert (to_hex(failed.get_color()).upper(), failed.get_linestyle()) == (COLOURS[7], "--")
    assert to_hex(worst.get_color()) == to_hex(ALONG(0.0))
    assert to_hex(best.get_color()) == to_hex(ALONG(1.0))
    assert best.get_linewidth() > worst.get_linewidth()


@pytest.mark.parametrize("results", [[90.0], [90.0, 90.0, None], [90.0, float("nan"), float("inf")]])
def test_equal_results_have_one_colour_and_their_value_at_the_bar(results):
    axes = [Axis("β", list(range(len(results)))), Axis("top-1", results)]
    plot, bar = draw_parallel(axes, results, "top-1, %", best=0).axes
    assert [label.get_text() for label in bar.get_yticklabels()] == ["90"]
    assert list(bar.get_ylim()) == [89.5, 90.5]
    lines = [line for line in plot.lines if line.get_marker() == "o"]
    solid = [to_hex(line.get_color()) for line in lines if line.get_linestyle() == "-"]
    assert solid == [to_hex(ALONG(0.5))] * results.count(90.0)
    assert len(lines) == len(results)


def test_numbers_that_are_not_finite_are_none():
    nan, inf = float("nan"), float("inf")
    assert scale_of(Axis("top-1", [nan, 1, 3, -inf])) == scale_of(Axis("top-1", [None, 1, 3, None]))
    plot = draw_parallel([Axis("β", [1, 2, 3])] * 2, [nan, 50.0, 60.0], "top-1, %", best=None).axes[0]
    failed, worst, best = (line for line in plot.lines if line.get_marker() == "o")
    assert failed.get_linestyle() == "--"
    assert [to_hex(line.get_color()) for line in (worst, best)] == [to_hex(ALONG(0.0)), to_hex(ALONG(1.0))]


def test_a_result_of_zero_lies_above_trials_without_one():
    plot = draw_parallel([Axis("β", [1, 2, 3])] * 2, [0.0, None, -1.0], "gain", best=None).axes[0]
    heights = [next(iter(line.get_ydata())) for line in plot.lines if line.get_marker() == "o"]
    assert heights == [0.5, 1.0, 0.0]


@pytest.mark.parametrize("trials", [1, 60])
def test_labels_have_room(trials):
    axes = [
        Axis(f"{place}.generate.model.amplification.beta.coarse", [(7 * trial) % 61 / 7 for trial in range(trials)])
        for place in range(6)
    ]
    axes.append(Axis("student", [f"a network with a long name {trial % 3}" for trial in range(trials)]))
    figure = draw_parallel(axes, [float(trial) for trial in range(trials)], "top-1 last, %", best=0)
    assert overlapping(figure) == []
    assert cut_off(figure) == []
    assert "top-1 last, %" in texts(figure)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="expected two axes"):
        draw_parallel([Axis("β", [1])], [1.0], "%", None)
    with pytest.raises(ValueError, match="ρ has 2 values for 1 trials"):
        draw_parallel([Axis("β", [1]), Axis("ρ", [1, 2])], [1.0], "%", None)
