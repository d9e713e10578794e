import logging

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer

from hieramp_lit.classes import ClassEntry, ClassList
from hieramp_lit.data import DigitsDataModule, ShardDataModule, WebDatasetDataModule
from hieramp_lit.data.bank.image_bank import ImageBank
from hieramp_lit.data.bank.shard_data import read_bank
from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.data.images.digits import load_digits_split
from hieramp_lit.generate import DigitsImages, RandomReal
from hieramp_lit.shards import ShardSet
from hieramp_lit.shards.identity import identity_hash
from hieramp_lit.students.protocols import Protocol, Setting
from tests.data.digits_set import make_digits_set
from tests.data.web.web_sets import write_shards


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


class _Asks(LightningModule):
    """A student's task, as far as the data asks it."""

    seed, protocol = 0, Protocol()
    setting = Setting(20, 200, 64, "resnet18")  # 100 images a step, if there are so many


def test_batch_size_is_that_of_the_tasks_own_setting(digits_set):
    data = ShardDataModule(str(digits_set))
    data.trainer = Trainer(accelerator="cpu", logger=False)
    data.trainer.strategy.connect(_Asks())
    assert data.train_dataloader().batch_size == 20


def test_validation_images_come_with_the_sets_labels(digits_set):
    plain = ShardDataModule(str(digits_set), validation=DigitsDataModule())
    turned = ShardDataModule(str(digits_set), validation=Reversed())
    banks = [ImageBank.collect(data.val_dataloader()) for data in (plain, turned)]
    images, labels = load_digits_split("test")
    for bank in banks:
        assert torch.equal(bank.images, images)
        assert torch.equal(bank.labels, labels)


class Counted(DigitsDataModule):
    """Counts how many images it was asked for."""

    asked = 0

    def val_samples(self):
        samples = super().val_samples()
        counter = self

        class Samples:
            def __len__(self):
                return len(samples)

            def __getitem__(self, keys):
                counter.asked += len(keys)
                return samples[keys]

        return Samples()


def test_validation_images_are_loaded_once_if_they_fit_and_else_for_every_evaluation(digits_set):
    roomy, tight = (
        ShardDataModule(str(digits_set), validation=Counted(batch_size=100), max_host_gib=gib) for gib in (1, 1e-3)
    )
    for data, asked in ((roomy, [450, 450, 450]), (tight, [850, 1300, 1750])):
        for expected in asked:
            bank = ImageBank.collect(data.val_dataloader())
            assert data.validation.asked == expected
            assert torch.equal(bank.images, load_digits_split("test")[0])
            assert torch.equal(bank.labels, load_digits_split("test")[1])


def test_it_says_where_the_images_lie(digits_set, caplog):
    with caplog.at_level(logging.INFO):
        list(ShardDataModule(str(digits_set), validation=DigitsDataModule()).val_dataloader())
    assert "450 validation images take 1.3 MiB" in caplog.text
    with caplog.at_level(logging.INFO):
        list(ShardDataModule(str(digits_set), validation=DigitsDataModule(), max_host_gib=1e-3).val_dataloader())
    assert "data.max_host_gib): they are loaded anew" in caplog.text


def test_a_set_that_fits_nowhere_is_refused_before_it_is_decoded(digits_set):
    data = ShardDataModule(str(digits_set), image_size=4096, max_host_gib=0.5)
    with pytest.raises(ValueError, match=r"data\.max_host_gib=0\.5"):
        _ = data.bank


def test_a_second_fit_does_not_start_where_the_first_was_resumed(digits_set):
    data = ShardDataModule(str(digits_set), batch_size=6)
    first = data.train_dataloader()
    next(iter(first))
    state = data.state_dict()
    resumed = ShardDataModule(str(digits_set), batch_size=6)
    resumed.load_state_dict(state)
    assert resumed.train_dataloader().state_dict()["batch"] == 1
    resumed.teardown("fit")
    assert resumed.train_dataloader().state_dict()["batch"] == 0


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
        "configuration": RandomReal(DigitsImages("train")).identity(),
        "images_per_class": 2,
        "classes": 10,
        "images": 20,
        "generate_seed": 0,
    }


def test_missing_validation_says_what_to_write(digits_set):
    with pytest.raises(ValueError, match=r"data\.validation is null"):
        ShardDataModule(str(digits_set)).val_dataloader()


@pytest.mark.parametrize(
    "setting", [{"batch_size": 0}, {"image_size": 0}, {"max_device_gib": -1}, {"max_host_gib": -0.5}]
)
def test_impossible_settings_name_their_key(setting):
    with pytest.raises(ValueError, match=f"data.{next(iter(setting))}={next(iter(setting.values()))}"):
        ShardDataModule("anywhere", **setting)


def test_shards_of_real_images_judge_by_their_classes(digits_set, tmp_path):
    shards = write_shards(tmp_path / "shards", classes=10)
    real = WebDatasetDataModule(shards, "digits", val=shards, image_size=8, label="cls", num_workers=0)
    data = ShardDataModule(str(digits_set), validation=real)
    data.setup("validate")
    batches = list(data.val_dataloader())
    assert torch.cat([batch.label for batch in batches]).tolist() == [number % 10 for number in range(24)]
    assert batches[0].image.shape[1:] == (3, 8, 8)


def test_validation_data_are_prepared_once_a_node(digits_set):
    prepared = []
    real = DigitsDataModule()
    real.prepare_data = lambda: prepared.append("here")
    data = ShardDataModule(str(digits_set), validation=real)
    data.setup("validate")
    assert not prepared  # every process sets up, one a node prepares
    data.prepare_data()
    assert prepared == ["here"]
