import pytest
from matplotlib.colors import to_hex

from hieramp_lit.figures import STAGE_COLOURS, draw_schedule
from tests.figures.drawn import cut_off, overlapping, texts

STAGES = ("none", *["coarse"] * 3, *["mid"] * 3, *["fine"] * 3)
SIDES = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)


def test_bars_are_the_schedule():
    figure = draw_schedule([None, 5, -2.5], [None, 0.5, 0.25], ["none", "coarse", "fine"], [1, 2, 4])
    beta, rho = figure.axes
    assert [bar.get_height() for bar in beta.patches] == [0, 5, -2.5]
    assert [bar.get_height() for bar in rho.patches] == [0, 0.5, 0.25]
    assert [to_hex(bar.get_facecolor()).upper() for bar in rho.patches] == [
        STAGE_COLOURS[stage].upper() for stage in ("none", "coarse", "fine")
    ]


def test_values_stages_and_sides_are_printed():
    found = texts(draw_schedule([None, 5, 2.5], [None, 0.5, 0.25], ["none", "coarse", "fine"], [1, 2, 4]))
    for word in ("–", "5", "2.5", "0.5", "0.25", "none", "coarse", "fine", "0\n1×1", "1\n2×2", "2\n4×4"):
        assert word in found


@pytest.mark.parametrize("scales", [3, 10])
def test_labels_have_room(scales):
    figure = draw_schedule([5.25] * scales, [0.125] * scales, STAGES[:scales], SIDES[:scales])
    assert overlapping(figure) == []
    assert cut_off(figure) == []


def test_scales_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="1 β, 2 ρ, 2 stages and 2 sides"):
        draw_schedule([5], [0.5, 0.5], ["none", "coarse"], [1, 2])
    with pytest.raises(ValueError, match="rough"):
        draw_schedule([5], [0.5], ["rough"], [1])
