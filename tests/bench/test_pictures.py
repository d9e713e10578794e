import numpy as np
import pytest
import torch
from PIL import Image

from hieramp_lit.bench.pictures import BankPath, LoaderPath, read_pictures, write_pictures
from hieramp_lit.students.network_input import IMAGENET_MEAN, IMAGENET_STD
from hieramp_lit.students.views.augment import Augmentation

CPU = torch.device("cpu")
UNCHANGED = Augmentation(min_scale=1.0, min_ratio=1.0, flip=0.0)


@pytest.fixture
def folder(tmp_path):
    write_pictures(tmp_path, 23, 32)
    return tmp_path


def test_files_and_bank_hold_the_same_pixels(folder):
    bank = read_pictures(folder)
    files = sorted(folder.rglob("*.png"))
    assert len(bank) == len(files) == 23
    for image, label, file in zip(bank.images, bank.labels, files, strict=True):
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(Image.open(file)))
        assert int(label) == int(file.parent.name)


def test_pictures_differ_and_pack_as_photographs_do(folder):
    contents = {file.read_bytes() for file in folder.rglob("*.png")}
    assert len(contents) == 23
    assert all(0.5 < len(content) / (32 * 32 * 3) < 0.95 for content in contents)


@pytest.mark.parametrize("way", ["bank", "files", "files, normalized"])
def test_every_way_gives_every_image_with_its_label_where_nothing_is_drawn(folder, way):
    bank = read_pictures(folder)
    expected = bank.images / 255
    if way == "files, normalized":
        mean, std = (torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
        expected = (expected - mean) / std
    if way == "bank":
        path = BankPath(bank, 5, CPU, UNCHANGED)
    else:
        path = LoaderPath(folder, 32, 5, CPU, UNCHANGED, 0, normalized=way != "files")
    seen = []
    for views, label in path.epoch():
        equal = torch.isclose(views.image[:, None], expected, atol=1e-4).all(2).float().mean((2, 3))  # share of pixels
        most = equal.argmax(1)
        own = most if views.share >= 0.5 else torch.empty_like(most).index_copy(0, views.partner, most)
        assert (equal.gather(1, own[:, None])[:, 0] >= views.share - 1e-6).all()
        assert (equal.gather(1, own[views.partner][:, None])[:, 0] >= 1 - views.share - 1e-6).all()
        assert bank.labels[own].tolist() == label.tolist()
        seen += own.tolist()
    assert sorted(seen) == list(range(23))
