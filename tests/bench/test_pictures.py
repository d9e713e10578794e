import numpy as np
import pytest
import torch
from PIL import Image

from hieramp_lit.bench.pictures import BankPath, LoaderPath, read_pictures, write_pictures
from hieramp_lit.data.augment import Augmentation
from hieramp_lit.students import protocol

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


@pytest.mark.parametrize("normalized", [True, False])
def test_both_ways_give_the_same_batches_where_nothing_is_drawn(folder, normalized):
    bank = read_pictures(folder)
    loader = LoaderPath(folder, 32, 5, CPU, UNCHANGED, 0, normalized)
    mean, std = (torch.tensor(values)[:, None, None] for values in (protocol.IMAGENET_MEAN, protocol.IMAGENET_STD))
    expected = bank.images / 255
    if normalized:
        expected = (expected - mean) / std
    seen = 0
    for mixed, label in loader.epoch():
        for image, its in zip(mixed.image, label, strict=True):
            corner = image[:, 0, 0]
            found = [k for k in range(23) if torch.allclose(corner, expected[k, :, 0, 0]) and bank.labels[k] == its]
            seen += bool(found)
    ours = BankPath(bank, 5, CPU, UNCHANGED)
    batches = [(views.image.clone(), label) for views, label in ours.epoch()]
    assert sorted(torch.cat([label for _, label in batches]).tolist()) == sorted(bank.labels.tolist())
    assert min(image.min() for image, _ in batches) >= 0
    assert max(image.max() for image, _ in batches) <= 1
    assert seen >= 12  # where CutMix left the corner alone
