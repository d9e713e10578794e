import numpy as np
import pytest
import torch

from hieramp_lit.analysis.saliency import enlarged, own_grids
from hieramp_lit.analysis.saliency.grids import cells, square_side, sums
from hieramp_lit.seeds import stream
from hieramp_lit.shards.saliency import stack_saliency


def stored(sides: list[int], without: tuple[int, ...] = ()) -> tuple[list[torch.Tensor], np.ndarray]:
    """Random maps of one image, and how they are stored."""
    maps = [torch.rand(side * side, generator=stream("maps", side)).softmax(0) for side in sides]
    given = {(0, k): torch.stack([one, one.flip(0)]) for k, one in enumerate(maps) if k not in without}
    return maps, stack_saliency(given)[0].numpy()


@pytest.mark.parametrize("sides", [[1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 8], [1, 2, 3, 4, 5, 6, 8, 10, 13, 16], [7, 29, 31]])
def test_own_grids_take_the_enlargement_back_exactly(sides: list[int]) -> None:
    maps, stored_KPP = stored(sides)
    for side, one, found in zip(sides, maps, own_grids(stored_KPP, sides), strict=True):
        assert found is not None
        half = one.half().double().numpy().reshape(side, side)
        assert np.array_equal(found, half / half.sum())


def test_side_5_within_8_by_hand() -> None:
    # Nearest: position i of 8 takes floor(5 i / 8) = 0 0 1 1 2 3 3 4.
    own = np.arange(1.0, 26.0).reshape(5, 5)
    taken = [0, 0, 1, 1, 2, 3, 3, 4]
    stored_KPP = np.stack([own[np.ix_(taken, taken)], np.ones((8, 8))]).astype(np.float16)
    found = own_grids(stored_KPP, (5, 8))[0]
    assert np.array_equal(found, own / own.sum())


def test_scales_without_class_token_are_none() -> None:
    _, stored_KPP = stored([1, 2, 4], without=(0,))
    found = own_grids(stored_KPP, (1, 2, 4, 8))  # scale 3 comes behind the last class token
    assert [one is None for one in found] == [True, False, False, True]


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        ((1, 2, 4), "map of scale 1 is no 2 × 2 map"),
        ((1, 2, 8), "not of scales of sides"),
        ((1, 2), "not of scales of sides"),
    ],
)
def test_maps_of_other_scales_are_refused(sides: tuple[int, ...], message: str) -> None:
    _, stored_KPP = stored([1, 3, 4])
    with pytest.raises(ValueError, match=message):
        own_grids(stored_KPP, sides)


def test_a_map_with_some_nan_is_refused() -> None:
    _, stored_KPP = stored([2, 4])
    stored_KPP[1, 0, 0] = np.nan
    with pytest.raises(ValueError, match="map of scale 1"):
        own_grids(stored_KPP, (2, 4))


def test_cells_hold_the_centres_of_their_pixels() -> None:
    # Side 2 over 5 pixels: centres at 0.1 0.3 0.5 0.7 0.9 of the side; the third, on the border, is the next's.
    assert cells(2, 5, 4).tolist() == [[0, 0, 1, 1]] * 2 + [[2, 2, 3, 3]] * 3
    assert np.array_equal(cells(4, 4, 4).reshape(-1), np.arange(16))
    with pytest.raises(ValueError, match="3 pixels in a line cannot show a map of side 4"):
        cells(4, 3, 8)


def test_sums_are_over_the_pixels_of_each_cell() -> None:
    marks = np.random.default_rng(0).random((11, 7)) < 0.5
    expected = np.bincount(cells(3, 11, 7)[marks], minlength=9).reshape(3, 3)
    assert np.array_equal(sums(marks, 3), expected)


def test_enlarging_by_a_whole_factor_repeats() -> None:
    own = np.arange(9.0).reshape(3, 3)
    assert np.array_equal(enlarged(own, 9, 6), own.repeat(3, 0).repeat(2, 1))


@pytest.mark.parametrize("bad", [np.ones((2, 3)), -np.ones((2, 2)), np.zeros((2, 2)), np.full((2, 2), np.nan)])
def test_what_is_no_map_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a map of"):
        square_side(bad)
