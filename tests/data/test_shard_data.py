import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule

from hieramp_lit.classes import ClassEntry, ClassList
from hieramp_lit.data import DigitsDataModule, ShardDataModule
from hieramp_lit.data.bank import ImageBank
from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.data.digits import load_digits_split
from hieramp_lit.data.shard_data import read_bank
from hieramp_lit.shards import ShardSet
from hieramp_lit.shards.identity import identity_hash
from tests.data.digits_set import make_digits_set


@pytest.fixture(scope="module")
def digits_set(tmp_path_factory):
    return make_digits_set(tmp_path_factory.mktemp("sets") / "digits")


class Reversed(LightningDataModule):
    """The digits' test images under a class list in reverse order."""

    classes = ClassList(tuple(ClassEntry(k, k, None, str(9 - k), None) for k in range(10)))

    def val_dataloader(self):
        images, labels = load_digits_split("test")
        return [ImageBatch(images, 9 - labels)]


def test_the_bank_holds_the_sets_images_in_plan_order(digits_set):
    data = ShardDataModule(str(digits_set))
    shards = ShardSet.open(digits_set)
    assert len(data.bank) == len(shards) == 20
    for position, sample in enumerate(shards):
        assert np.array_equal(data.bank.images[position].permute(1, 2, 0).numpy(), sample.image)
        assert data.bank.labels[position] == sample.cls


def test_the_bank_is_resized_once(digits_set):
    assert read_bank(ShardSet.open(digits_set), 16).images.shape == (20, 3, 16, 16)


def test_batch_size_is_the_protocols_unless_given(digits_set):
    assert ShardDataModule(str(digits_set)).train_dataloader().batch_size == 10
    assert ShardDataModule(str(digits_set), batch_size=7).train_dataloader().batch_size == 7


def test_validation_images_come_with_the_sets_labels(digits_set):
    plain = ShardDataModule(str(digits_set), validation=DigitsDataModule())
    turned = ShardDataModule(str(digits_set), validation=Reversed())
    banks = [ImageBank.collect(data.val_dataloader()) for data in (plain, turned)]
    images, labels = load_digits_split("test")
    for bank in banks:
        assert torch.equal(bank.images, images)
        assert torch.equal(bank.labels, labels)


def test_validation_that_does_not_fit_the_bank_is_loaded_every_time(digits_set):
    data = ShardDataModule(str(digits_set), validation=DigitsDataModule(), max_bank_gib=1e-6)
    for _ in range(2):
        assert sum(len(batch.label) for batch in data.val_dataloader()) == 450


def test_the_set_describes_itself_without_paths(digits_set):
    described = ShardDataModule(str(digits_set)).describe_set()
    manifest = ShardSet.open(digits_set).manifest
    seedless = dict(manifest.identity)
    assert seedless.pop("seed") == 0
    assert described.pop("configuration_sha256") == identity_hash(seedless) != manifest.identity_hash
    assert described == {
        "name": digits_set.name,
        "manifest_sha256": manifest.hash,
        "generator": "random_real",
        "images_per_class": 2,
        "classes": 10,
        "images": 20,
        "generate_seed": 0,
    }


def test_missing_validation_says_what_to_write(digits_set):
    with pytest.raises(ValueError, match=r"data\.validation is null"):
        ShardDataModule(str(digits_set)).val_dataloader()


@pytest.mark.parametrize("setting", [{"batch_size": 0}, {"image_size": 0}])
def test_impossible_settings_name_their_key(setting):
    with pytest.raises(ValueError, match=f"data.{next(iter(setting))}=0"):
        ShardDataModule("anywhere", **setting)
