import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb

from hieramp_lit.figures import Panel, draw_heatmaps
from hieramp_lit.figures.heatmaps import ink_on
from tests.figures.drawn import cut_off, overlapping, texts

COARSE = Panel("coarse", "β", [0.5, 5], "ρ", ["a", 0.5, 0.75], [[50.25, None, 52.5], [53.5, 54.5, 55.5]])
FINE = Panel("fine", "β", [1.0], "ρ", [0.5], [[60.5]])


def _contrast(one, other):
    def luminance(colour):
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _in_cells(axes):
    return {(text.get_position()[1] - 0.5, text.get_position()[0] - 0.5): text.get_text() for text in axes.texts}


def test_cells_hold_the_values():
    figure = draw_heatmaps([COARSE, FINE], "top-1, %")
    first, second = figure.axes[:2]
    assert _in_cells(first) == {(0, 0): "50.2", (0, 2): "52.5", (1, 0): "53.5", (1, 1): "54.5", (1, 2): "55.5"}
    assert _in_cells(second) == {(0, 0): "60.5"}
    (mesh,) = [artist for artist in first.collections if isinstance(artist, QuadMesh)]
    assert np.ma.filled(mesh.get_array(), -1).tolist() == [[50.25, -1, 52.5], [53.5, 54.5, 55.5]]


def test_rows_run_down_and_settings_are_named():
    axes = draw_heatmaps([COARSE], "top-1, %").axes[0]
    assert axes.yaxis_inverted()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0.5", "5"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "0.5", "0.75"]
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("coarse", "ρ", "β")


def test_all_panels_share_one_scale():
    figure = draw_heatmaps([COARSE, FINE], "top-1, %")
    scales = {(mesh.norm.vmin, mesh.norm.vmax) for axes in figure.axes[:2] for mesh in axes.collections}
    assert scales == {(50.25, 60.5)}
    assert "top-1, %" in texts(figure)


def test_words_in_cells_contrast_with_them():
    values = [[float(place) for place in range(12)]]
    axes = draw_heatmaps([Panel("", "β", [1], "ρ", list(range(12)), values)], "%").axes[0]
    (mesh,) = axes.collections
    for text, value in zip(axes.texts, values[0], strict=True):
        assert _contrast(to_rgb(text.get_color()), mesh.cmap(mesh.norm(value))[:3]) >= 4.5


@pytest.mark.parametrize("grey", [0.0, 0.2, 0.45, 0.5, 1.0])
def test_ink_is_readable_on_any_grey(grey):
    assert _contrast(to_rgb(ink_on((grey, grey, grey))), (grey, grey, grey)) >= 4.5


@pytest.mark.parametrize("panels", [1, 4])
def test_labels_have_room(panels):
    one = Panel(
        "a stage with a long name " * 4,
        "β, strength",
        [0.125, 100.25],
        "ρ, share",
        [0.125, 0.375, 0.625],
        [[-99.5] * 3] * 2,
    )
    figure = draw_heatmaps([one] * panels, "top-1 last, %")
    assert overlapping(figure) == []
    assert cut_off(figure) == []


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="without a value"):
        draw_heatmaps([COARSE._replace(values=[[None] * 3] * 2)], "%")
    with pytest.raises(ValueError, match=r"coarse: .*expected 3 in each of 2 rows"):
        draw_heatmaps([COARSE._replace(values=[[1.0]])], "%")
