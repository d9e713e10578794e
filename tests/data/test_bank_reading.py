import shutil
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from hieramp_lit.data.bank_reading import bank_shape, read_bank
from hieramp_lit.generate import Generated
from hieramp_lit.shards import ShardError, ShardSet
from tests.data.digits_set import make_digits_set
from tests.shards.making import NoiseGenerator, make_set


@pytest.fixture(scope="module")
def digits_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(make_digits_set(tmp_path_factory.mktemp("sets") / "digits"))


def test_holds_the_images_in_plan_order(digits_set: Path) -> None:
    shards = ShardSet.open(digits_set)
    bank = read_bank(shards)
    assert bank_shape(shards, None) == (len(shards), *bank.images.shape[2:])
    for position, sample in enumerate(shards):
        assert np.array_equal(bank.images[position].permute(1, 2, 0).numpy(), sample.image)
        assert bank.labels[position] == sample.cls


def test_resizes_once(digits_set: Path) -> None:
    shards = ShardSet.open(digits_set)
    assert bank_shape(shards, 16) == read_bank(shards, 16).images.permute(1, 0, 2, 3)[0].shape == (20, 16, 16)


def test_a_changed_shard_teaches_nobody(digits_set: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(digits_set, tmp_path / "copy"))
    tar = copy / "train-000000.tar"
    content = bytearray(tar.read_bytes())
    content[len(content) // 2] ^= 1
    tar.write_bytes(content)
    with pytest.raises(ShardError, match=r"train-000000\.tar: sha256 differs"):
        read_bank(ShardSet.open(copy))


class OddOneOut(NoiseGenerator):
    """The seventh image has twice the side."""

    def generate(self, labels_B: Tensor, indices_B: Tensor, seed: int, record_saliency: bool = False) -> Generated:
        made = super().generate(labels_B, indices_B, seed, record_saliency)
        return made._replace(images=made.images.repeat(1, 2, 2, 1)) if self.calls == 7 else made


def test_images_of_several_sizes_need_one_to_be_named(tmp_path: Path) -> None:
    odd = make_set(tmp_path / "odd", OddOneOut(), batch_size=1)
    even = make_set(tmp_path / "even", batch_size=1)
    message = r"r00003_00000 is \(16, 16\), the first image is \(8, 8\).*data\.image_size"
    with pytest.raises(ValueError, match=message):
        read_bank(odd)
    ours, theirs = read_bank(odd, 8), read_bank(even)
    different = (ours.images != theirs.images).flatten(1).any(1).nonzero().flatten().tolist()
    assert different == [6]
