import numpy as np
import pytest
from PIL import Image

from hieramp_lit.analysis.saliency import StripRow, draw_maps, draw_strips, overlay

RED = np.zeros((8, 8, 3), np.uint8)
RED[..., 0] = 200
CORNER = np.array([[4.0, 0.0], [2.0, 0.0]])
DARK, BRIGHT = (0, 34, 78), (254, 232, 56)
"""Ends of cividis."""


def mixed(colour: tuple[int, int, int], grey: float) -> list[int]:
    return [round(0.65 * part + 0.35 * grey) for part in colour]


def placed(sheet: Image.Image, picture: np.ndarray) -> list[tuple[int, int]]:
    """Left upper corners at which a picture stands in a sheet."""
    pixels, (height, width) = np.asarray(sheet), picture.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(pixels[..., 1], (height, width))
    candidates = np.argwhere((windows[..., ::13, ::13] == picture[::13, ::13, 1]).all((-2, -1)))
    return [(int(x), int(y)) for y, x in candidates if np.array_equal(pixels[y : y + height, x : x + width], picture)]


def test_an_overlay_has_the_colours_of_its_map_over_the_grey_image() -> None:
    shown = overlay(RED, CORNER, 10)
    grey = 0.299 * 200
    assert shown.shape == (10, 10, 3)
    for rows, columns, colour in ((slice(5), slice(5), BRIGHT), (slice(10), slice(5, 10), DARK)):
        assert np.abs(shown[rows, columns].astype(int) - mixed(colour, grey)).max() <= 1
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) == 3  # crisp: no colour between those of the positions


def test_the_highest_value_does_not_matter() -> None:
    assert np.array_equal(overlay(RED, CORNER), overlay(RED, CORNER / 1000))


def test_a_strip_goes_from_the_image_over_coarse_to_fine() -> None:
    maps = (None, CORNER, np.eye(4))
    sheet = draw_strips([StripRow("seven", RED, maps)], cell=48)
    (image,) = placed(sheet, np.asarray(Image.fromarray(RED).resize((48, 48))))
    (coarse,) = placed(sheet, overlay(RED, CORNER, 48))
    (fine,) = placed(sheet, overlay(RED, np.eye(4), 48))
    assert image[0] < coarse[0] < fine[0]
    assert coarse[0] - image[0] == fine[0] - coarse[0] == 54
    assert image[1] == coarse[1] == fine[1]


def test_rows_of_a_group_stand_closer() -> None:
    rows = [StripRow(f"{number}", RED, (CORNER,)) for number in range(4)]
    tops = [y for _, y in placed(draw_strips(rows, group=2, cell=48), overlay(RED, CORNER, 48))]
    assert tops[1] - tops[0] == tops[3] - tops[2] < tops[2] - tops[1]
    alike = [y for _, y in placed(draw_strips(rows, group=4, cell=48), overlay(RED, CORNER, 48))]
    assert len(set(np.diff(alike))) == 1


def test_a_row_without_a_map_leaves_its_place_empty() -> None:
    rows = [StripRow("", RED, (CORNER, np.eye(3))), StripRow("", RED, (CORNER, None))]
    sheet = draw_strips(rows, cell=60)
    assert len(placed(sheet, overlay(RED, CORNER, 60))) == 2
    assert len(placed(sheet, overlay(RED, np.eye(3), 60))) == 1


def test_titles_make_room_for_themselves() -> None:
    short, long = (draw_strips([StripRow(title, RED, (CORNER,) * 8)]) for title in ("7", "butternut squash\nplain"))
    assert 80 < long.width - short.width < 150


def test_long_titles_and_control_characters_are_replaced() -> None:
    shown, expected = (
        [draw_strips([StripRow(title, RED, (CORNER,))]), draw_maps({title.split("\n")[1]: [[(RED, CORNER)]]}, [title])]
        for title in ("a\tb\x07\n" + "x" * 150, "a b\n" + "x" * 150)
    )
    for one, other in zip(shown, expected, strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(other))
        assert one.width < 1000


def test_maps_of_one_scale_stand_in_blocks() -> None:
    other = np.array([[0.0, 1.0], [0.0, 0.0]])
    sheet = draw_maps(
        {"amplified": [[(RED, CORNER)], [(RED, other)]], "plain": [[(RED, other)], [(RED, CORNER)]]}, ["1", "2"], 48
    )
    (left, top), (right, bottom) = sorted(placed(sheet, overlay(RED, CORNER, 48)))
    assert left < right
    assert bottom - top == 54
    assert sorted(placed(sheet, overlay(RED, other, 48))) == [(left, bottom), (right, top)]


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="no row"):
        draw_strips([])
    with pytest.raises(ValueError, match=r"scale 0: maps of sides \[2, 3\]"):
        draw_strips([StripRow("", RED, (CORNER,)), StripRow("", RED, (np.eye(3),))])
    with pytest.raises(ValueError, match="1 row titles"):
        draw_maps({"": [[], []]}, ["1"])
