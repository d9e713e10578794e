from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hieramp_lit.classes import ClassList
from hieramp_lit.data import DigitsDataModule, ImageFolderDataModule
from hieramp_lit.data.images.folder import FolderSource
from hieramp_lit.doctor.validation import spread_over_classes, spread_places
from tests.tasks.tuning import NoiseDataModule

CLASSES, EACH = 7, 6


@pytest.fixture
def folder(tmp_path: Path) -> ImageFolderDataModule:
    """Seven classes, sorted as folders are; the shade of an image is its number in the class."""
    for cls in range(CLASSES):
        (tmp_path / str(cls)).mkdir()
        for number in range(EACH):
            Image.new("RGB", (8, 8), (number, cls, 0)).save(tmp_path / str(cls) / f"{number}.png")
    data = ImageFolderDataModule(str(tmp_path), str(tmp_path), image_size=8, short_side=8, label="cls", check=False)
    data.setup("validate")
    return data


@pytest.mark.parametrize(("most", "numbers"), [(14, [0, 3]), (20, [0, 3]), (1, [0]), (1000, [0, 1, 2, 3, 4, 5])])
def test_every_class_has_its_share_however_few_the_first_images_cover(folder, most: int, numbers: list[int]):
    batches = list(spread_over_classes(folder, folder.classes, folder.classes, most))
    labels = torch.cat([batch.label for batch in batches]).tolist()
    shades = torch.cat([batch.image for batch in batches])[:, 0, 0, 0].tolist()
    expected = [(cls, number) for cls in range(CLASSES) for number in numbers]
    assert list(zip(labels, shades, strict=True)) == expected


def test_classes_of_the_set_alone_share_the_images(folder):
    entries = folder.classes.entries
    chosen = ClassList((entries[5]._replace(cls=0, row=0), entries[2]._replace(cls=1, row=1)))
    (batch,) = spread_over_classes(folder, chosen, folder.classes, 4)
    green = batch.image[:, 1, 0, 0]
    assert sorted(zip(green.tolist(), batch.label.tolist(), strict=True)) == [(2, 1), (2, 1), (5, 0), (5, 0)]


@given(st.lists(st.integers(-1, 4)), st.integers(1, 4))
def test_places_are_of_every_class_and_no_other(labels: list[int], each: int):
    places = spread_places(torch.tensor(labels, dtype=torch.int64), 5, each)
    assert places == sorted(set(places))
    taken = [labels[place] for place in places]
    assert [taken.count(cls) for cls in range(-1, 5)] == [0, *(min(each, labels.count(cls)) for cls in range(5))]


def test_data_that_cannot_be_chosen_from_is_gone_through():
    data = DigitsDataModule(batch_size=16)
    batches = list(spread_over_classes(data, data.classes, data.classes, 35))
    assert torch.cat([batch.label for batch in batches]).bincount().tolist() == [3] * 10


class WithoutFour(ImageFolderDataModule):
    def open_val(self) -> FolderSource | None:
        every = super().open_val()
        return None if every is None else every.subset([i for i, label in enumerate(every.labels) if label != 4])


def test_classes_without_an_image_are_named(folder, tmp_path: Path):
    less = WithoutFour(str(tmp_path), str(tmp_path), image_size=8, label="cls", check=False)
    less.setup("validate")
    with pytest.raises(ValueError, match=r"none of 1 of the 7 classes: 4\. "):
        next(spread_over_classes(less, folder.classes, folder.classes, 14))
    noise = NoiseDataModule(4)
    with pytest.raises(ValueError, match=r"none of 3 of the 10 classes: 7, 8, 9\. "):
        list(spread_over_classes(noise, noise.classes, noise.classes, 20))


def test_class_rows_are_refused(folder):
    folder.label = "row"
    with pytest.raises(ValueError, match="set its label: cls"):
        list(spread_over_classes(folder, folder.classes, folder.classes, 14))
