from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hieramp_lit.shards import ShardSet, contact_sheet, draw_grid, side_by_side
from tests.shards.making import NoiseGenerator, make_set


def tiles(sheet: Image.Image, image: np.ndarray, cell: int = 64) -> list[tuple[int, int]]:
    """Places (x, y) where the enlarged image is drawn."""
    factor = cell // image.shape[0]
    tile = image.repeat(factor, 0).repeat(factor, 1)
    pixels = np.asarray(sheet)
    corners = (pixels[: -cell + 1, : -cell + 1] == tile[0, 0]).all(-1)
    return [(x, y) for y, x in np.argwhere(corners) if np.array_equal(pixels[y : y + cell, x : x + cell], tile)]


def test_rows_are_classes_and_columns_are_images(finished: Path) -> None:
    shards = ShardSet.open(finished)
    sheet = contact_sheet(shards)
    places = {}
    for sample in shards:
        (places[sample.cls, sample.image_index],) = tiles(sheet, sample.image)
    assert all(places[cls, 0][0] < places[cls, 1][0] for cls in range(10))
    assert all(places[cls, 0][1] == places[cls, 1][1] for cls in range(10))
    tops = [places[cls, 0][1] for cls in range(10)]
    assert tops == sorted(set(tops))
    assert len({places[cls, 0][0] for cls in range(10)}) == 1


def test_large_sets_are_thinned_out(finished: Path) -> None:
    shards = ShardSet.open(finished)
    sheet = contact_sheet(shards, max_classes=5, max_images=1)
    drawn = [(s.cls, s.image_index) for s in shards if tiles(sheet, s.image)]
    assert drawn == [(0, 0), (2, 0), (4, 0), (6, 0), (8, 0)]


def test_sheet_is_the_same_every_time(finished: Path) -> None:
    shards = ShardSet.open(finished)
    assert contact_sheet(shards).tobytes() == contact_sheet(shards).tobytes()


def test_equal_seeds_side_by_side(tmp_path: Path) -> None:
    draws = [make_set(tmp_path / f"plain{seed}", seed=seed, images_per_class=1) for seed in (0, 1)]
    others = [
        make_set(tmp_path / f"other{seed}", NoiseGenerator(2.0), seed=seed, images_per_class=1) for seed in (0, 1)
    ]
    sheet = side_by_side({"plain": draws, "amplified": others})
    first, second = next(iter(draws[0])), next(iter(draws[1]))
    (left, right), (left2, right2) = tiles(sheet, first.image), tiles(sheet, second.image)
    assert left[1] == right[1] == left2[1] == right2[1]  # class 0 is one row
    assert left[0] < left2[0] < right[0] < right2[0]  # a block per title, a column per draw
    assert right[0] - left[0] == right2[0] - left2[0]
    alone = side_by_side({"plain": draws[0]})
    assert alone.width < sheet.width


def test_titles_are_drawn() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    plain, titled = draw_grid({"": [[image]]}, ["3"]), draw_grid({"amplified": [[image]]}, ["3"])
    assert titled.height > plain.height
    assert not np.array_equal(np.asarray(draw_grid({"": [[image]]}, ["8"])), np.asarray(plain))


def test_images_of_any_size_fit_their_cell() -> None:
    large = np.zeros((500, 300, 3), np.uint8)
    sheet = np.asarray(draw_grid({"": [[large]]}, [""], cell=64))
    dark = np.argwhere((sheet == 0).all(-1))
    height, width = dark.max(0) - dark.min(0) + 1
    assert (height, width) == (64, 38)


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    base = make_set(tmp_path / "a", images_per_class=1)
    with pytest.raises(ValueError, match="no set to draw"):
        side_by_side({})
    with pytest.raises(ValueError, match="equal seeds"):
        side_by_side({"a": base, "b": make_set(tmp_path / "b", images_per_class=1, seed=1)})
    with pytest.raises(ValueError, match="one class list"):
        side_by_side({"a": base, "c": make_set(tmp_path / "c", images_per_class=1, class_subset=[1, 2])})
