import shutil
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hieramp_lit.data.bank import reading as bank_reading
from hieramp_lit.data.bank.image_bank import ImageBank
from hieramp_lit.data.bank.loading import BankBatches
from hieramp_lit.data.bank.memory import BankMemory
from hieramp_lit.data.bank.reading import bank_shape, evaluation_batches, read_bank
from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.generate import Generated
from hieramp_lit.shards import ShardError, ShardSet
from tests.data.digits_set import make_digits_set
from tests.shards.making import NoiseGenerator, make_set

CPU = torch.device("cpu")


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


def batches(*sizes: int) -> list[ImageBatch]:
    """Images of 48 bytes that are numbered, in batches of these sizes."""
    number = sum(sizes)
    images = torch.arange(number).remainder(256).to(torch.uint8)[:, None, None, None].expand(number, 3, 4, 4)
    parts = zip(images.split(sizes), torch.arange(number).split(sizes), strict=True)
    return [ImageBatch(image.clone(), label) for image, label in parts]


@pytest.mark.parametrize("sizes", [(1,), (256,), (300, 7), (64,) * 20, (1300,), (255, 1, 1)])
@pytest.mark.parametrize("piece_bytes", [1, 600 * 48, 2**28])
def test_evaluation_batches_do_not_depend_on_the_loaders_or_on_pieces(
    sizes: tuple[int, ...], piece_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank_reading, "PIECE_BYTES", piece_bytes)
    found = evaluation_batches(batches(*sizes), BankMemory(host_gib=1), CPU)
    whole = ImageBank.collect(batches(*sizes))
    expected = list(BankBatches(whole, 256))
    assert len(found) == len(expected)
    for _ in range(2):
        for ours, theirs in zip(found, expected, strict=True):
            assert torch.equal(ours.image, theirs.image)
            assert torch.equal(ours.label, theirs.label)


@pytest.mark.parametrize(("device_gib", "where"), [(0, "cpu"), (1, "cuda")])
def test_images_are_moved_piece_by_piece_and_let_go(
    device_gib: float, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank_reading, "PIECE_BYTES", 256 * 48)
    pieces: list[weakref.ref[torch.Tensor]] = []
    left: list[int] = []
    empty = ImageBank.empty

    def imagined(shape: tuple[int, int, int, int], device: torch.device, pinned: bool = False) -> ImageBank:
        bank = empty(shape, CPU)
        if pinned or device.type == "cuda":
            assert (device.type, pinned) == (where, where == "cpu")
            left.append(sum(piece() is not None for piece in pieces))
        else:
            pieces.append(weakref.ref(bank.images))
        return bank

    monkeypatch.setattr(ImageBank, "empty", staticmethod(imagined))
    found = evaluation_batches(batches(*(100,) * 10), BankMemory(device_gib, host_gib=1), torch.device("cuda"))
    assert len(found) == 4
    assert left == [4, 3, 2, 1]
    assert not any(piece() is not None for piece in pieces)


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
