import pytest

from hieramp_lit.figures import Curve, draw_curves
from hieramp_lit.figures.curves import MeanCurve, mean_curve
from tests.figures.drawn import cut_off, legend, overlapping, texts

THREE = [
    Curve(0, [10, 20, 30], [1.0, 4.0, 2.0]),
    Curve(1, [10, 20, 30], [3.0, 4.0, 2.0]),
    Curve(2, [10, 20, 30], [2.0, 7.0, 5.0]),
]


def test_mean_and_sample_deviation_by_hand():
    # Step 10: 1, 3, 2: mean 2, variance (1 + 1 + 0) / 2. Step 20: 4, 4, 7: mean 5, variance (1 + 1 + 4) / 2.
    assert mean_curve(THREE) == MeanCurve([10, 20, 30], [2.0, 5.0, 3.0], pytest.approx([1.0, 3**0.5, 3**0.5]), 1)


def test_a_single_seed_has_no_spread():
    assert mean_curve(THREE[:1]) == MeanCurve([10, 20, 30], [1.0, 4.0, 2.0], None, 1)


def test_only_steps_of_all_seeds_are_averaged():
    curves = [Curve(0, [10, 20, 30], [1.0, 2.0, 9.0]), Curve(1, [20, 10], [4.0, 3.0])]
    assert mean_curve(curves) == MeanCurve([10, 20], [2.0, 3.0], pytest.approx([2**0.5, 2**0.5]), 1)
    with pytest.raises(ValueError, match="step in common"):
        mean_curve([Curve(0, [1], [1.0]), Curve(1, [2], [1.0])])
    with pytest.raises(ValueError, match="0 curves"):
        mean_curve([])


def test_line_band_and_marks():
    figure = draw_curves({"amplified": THREE, "off": THREE[:1]}, "epoch", "top-1, %")
    axes = figure.axes[0]
    line, last, best, *single = axes.lines
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([10, 20, 30], [2.0, 5.0, 3.0])
    assert (list(last.get_xdata()), list(last.get_ydata()), last.get_marker()) == ([30], [3.0], "o")
    assert (list(best.get_xdata()), list(best.get_ydata()), best.get_marker()) == ([20], [5.0], "*")
    assert list(single[0].get_ydata()) == [1.0, 4.0, 2.0]
    (band,) = axes.collections
    corners = {(x, round(y, 9)) for x, y in band.get_paths()[0].vertices.tolist()}
    root = 3**0.5
    assert {
        (10, 1.0),
        (10, 3.0),
        (20, round(5 - root, 9)),
        (20, round(5 + root, 9)),
        (30, round(3 - root, 9)),
    } <= corners


def test_the_legend_holds_the_values():
    found = texts(draw_curves({"amplified": THREE, "off": THREE[:1]}, "epoch", "top-1, %"))
    assert "amplified: ● 3, ★ 5 (3 seeds)" in found
    assert "off: ● 2, ★ 4 (1 seed)" in found


def test_a_group_whose_name_begins_with_an_underscore_is_in_the_legend():
    assert legend(draw_curves({"_off": THREE}, "epoch", "top-1, %")) == ["_off: ● 3, ★ 5 (3 seeds)"]


def test_labels_have_room_for_many_long_names():
    groups = {f"{place} {'long name ' * 8}": THREE for place in range(12)}
    figure = draw_curves(groups, "epoch", "top-1, %")
    assert overlapping(figure) == []
    assert cut_off(figure) == []
    looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines if len(line.get_xdata()) == 3}
    assert len(looks) == 12


def test_no_groups_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        draw_curves({}, "epoch", "top-1, %")
