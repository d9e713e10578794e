"""Maps of different codes show the counts given, at their place."""

import numpy as np
import pytest

from hieramp_lit.figures import DistinctRow, draw_distinct
from tests.figures.drawn import cut_off, overlapping

ROWS = [DistinctRow("plain", [[[3]], [[1, 2], [3, 4]]]), DistinctRow("ours", [[[5]], [[5, 5], [5, 4]]])]


def test_maps_are_the_counts_and_the_mean_stands_above():
    figure = draw_distinct(ROWS, 5, "class 7")
    axes = figure.axes[0]
    assert [mesh.get_array().ravel().tolist() for mesh in axes.collections] == [[3], [1, 2, 3, 4], [5], [5, 5, 5, 4]]
    assert [text.get_text() for text in axes.texts] == ["3.0", "2.5", "5.0", "4.8"]
    # the first row of a map lies at its top, and the second set below the first
    corners = [mesh.get_coordinates()[0, 0] for mesh in axes.collections]
    assert corners[0][1] == corners[1][1] < corners[2][1] == corners[3][1]
    assert corners[0][0] == corners[2][0] < corners[1][0] == corners[3][0]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1×1", "2×2"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["plain", "ours"]


def test_more_codes_are_darker():
    mesh = draw_distinct(ROWS, 5, "class 7").axes[0].collections[1]
    luminance = [np.dot(mesh.cmap(mesh.norm(count))[:3], (0.2126, 0.7152, 0.0722)) for count in range(1, 6)]
    assert luminance == sorted(luminance, reverse=True)


def test_what_does_not_fit_is_refused():
    for rows in ([], [ROWS[0], DistinctRow("other", [[[1]]])], [DistinctRow("flat", [[[1, 2]]])]):
        with pytest.raises(
            ValueError, match="expected at least one set, square maps, and the same scales in every set"
        ):
            draw_distinct(rows, 5, "class 7")
    with pytest.raises(ValueError, match="counts from 1 to 5 received; expected 1 to images=4"):
        draw_distinct(ROWS, 4, "class 7")


def test_many_scales_stay_legible():
    counts = [np.full((side, side), 50).tolist() for side in (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)]
    rows = [DistinctRow(f"C-M-F 0.1-5-5 ρ 30-50-30% (3c6200626{number})", counts) for number in range(3)]
    figure = draw_distinct(rows, 50, "a name of many words " * 8)
    assert (cut_off(figure), overlapping(figure)) == ([], [])
