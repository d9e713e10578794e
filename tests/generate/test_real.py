from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hieramp_lit.classes import ClassEntry, ClassList
from hieramp_lit.data import load_digits_split
from hieramp_lit.generate import DigitsImages, FolderImages, Generator, RandomReal, RealImages

DIGITS = DigitsImages()
REAL = RandomReal(DIGITS)


def pixels(rows: list[int], indices: list[int], seed: int = 0) -> torch.Tensor:
    return REAL.generate(torch.tensor(rows), torch.tensor(indices), seed).images


def test_gives_training_images_of_the_class_asked_for() -> None:
    images, labels = load_digits_split("train")
    for row in range(10):
        members = {image.tobytes() for image in images[labels == row].permute(0, 2, 3, 1).contiguous().numpy()}
        given_images = pixels([row] * 30, list(range(30)))
        assert (given_images.dtype, given_images.shape) == (torch.uint8, (30, 32, 32, 3))
        assert {image.tobytes() for image in given_images.numpy()} <= members


def test_never_gives_test_images() -> None:
    test = {image.tobytes() for image in load_digits_split("test")[0].permute(0, 2, 3, 1).contiguous().numpy()}
    rows = [row for row in range(10) for _ in range(100)]
    assert not test & {image.tobytes() for image in pixels(rows, [*range(100)] * 10).numpy()}


def test_distinct_indices_are_distinct_images_and_use_up_the_class() -> None:
    count = int((DIGITS.rows() == 4).sum())
    chosen = RandomReal._order(REAL, 4, 0)
    assert sorted(chosen) == (DIGITS.rows() == 4).nonzero().flatten().tolist()
    assert len(pixels([4] * count, list(range(count)))) == count


@given(
    places=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 100)), min_size=1, max_size=8),
    seed=st.integers(0, 2**63 - 1),
)
@settings(max_examples=20)
def test_an_image_depends_on_nothing_but_row_index_and_seed(places: list[tuple[int, int]], seed: int) -> None:
    together = pixels([row for row, _ in places], [index for _, index in places], seed)
    alone = torch.cat([pixels([row], [index], seed) for row, index in reversed(places)]).flip(0)
    assert torch.equal(together, alone)


def test_seeds_and_classes_have_orders_of_their_own() -> None:
    assert not torch.equal(pixels([3] * 20, list(range(20)), 0), pixels([3] * 20, list(range(20)), 1))


def test_too_few_images_names_class_and_key() -> None:
    with pytest.raises(ValueError, match=r"Class row 4 has \d+ training images, image 1000 .*data\.images_per_class"):
        pixels([4], [1000])
    with pytest.raises(ValueError, match="Class row 11 has 0"):
        pixels([11], [0])


def test_a_plan_that_some_class_is_too_small_for_is_refused_with_every_such_class() -> None:
    counts = torch.bincount(DIGITS.rows()).tolist()
    least, most = min(counts), max(counts)
    REAL.check_images_per_class(DIGITS.classes, least)
    with pytest.raises(ValueError, match=rf"data\.images_per_class={most}, and ") as refused:
        REAL.check_images_per_class(DIGITS.classes, most)
    text = str(refused.value)
    for digit, count in enumerate(counts):
        assert (f"{DIGITS.classes.entries[digit].name} (row {digit}) has {count}" in text) == (count < most)
    assert f"Lower data.images_per_class to {least}, or leave these classes out by data.class_subset" in text
    with pytest.raises(ValueError, match=r"1 of 1 classes .*none \(row 99\) has 0\. Nothing was written\. Leave"):
        REAL.check_images_per_class(ClassList((ClassEntry(0, 99, None, "none", None),)), 1)


def test_identity_is_the_data() -> None:
    assert REAL.identity() == RandomReal(DigitsImages()).identity()
    assert REAL.identity() != RandomReal(DigitsImages("fit")).identity()
    assert isinstance(REAL, Generator)
    assert isinstance(DIGITS, RealImages)


def test_rows_that_mean_other_classes_in_the_plan_are_refused(tmp_path: Path) -> None:
    for name in ("apple", "zebra"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name / "0.png")
    real = RandomReal(FolderImages(str(tmp_path), image_size=8))
    real.check_classes(ClassList.from_folder(tmp_path))
    swapped = ClassList((ClassEntry(0, 0, None, "zebra", None), ClassEntry(1, 1, None, "apple", None)))
    with pytest.raises(ValueError, match=r"row 0 is 'zebra' there, 'apple' here"):
        real.check_classes(swapped)
    with pytest.raises(ValueError, match="'pear' there, unknown here"):
        real.check_classes(ClassList((ClassEntry(0, 7, None, "pear", None),)))
