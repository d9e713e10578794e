import dataclasses
from types import SimpleNamespace

import pytest
import torch

from hieramp_lit.classes import ClassEntry, ClassList
from hieramp_lit.data import (
    CIFARDataModule,
    DigitsDataModule,
    TinyImageNetDataModule,
    TokenizationPlan,
    Warp,
    WebDatasetDataModule,
)
from hieramp_lit.data.images.reading import UnreadableImageError
from hieramp_lit.data.loading import SampleKey
from tests.data.image_sets import write_cifar, write_tiny_imagenet
from tests.data.tokens.token_caches import COUNTS, image_data, write_images
from tests.data.web.web_sets import write_shards
from tests.tasks.tuning import NoiseDataModule


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images"))


def plan_of(images, **arguments):
    plan = TokenizationPlan(images, **{"views": 2, "shard_size": 8, **arguments})
    plan.setup("predict")
    return plan


def walk(plan, work):
    """Every image that is encoded: split, view and sample → pixels and label."""
    found = {}
    for batch in work:
        shard = plan.layout.shards[batch.shard]
        for row, (image, label) in enumerate(zip(batch.image, batch.label.tolist(), strict=True)):
            place = shard.split, shard.view, shard.first + batch.start + row
            assert place not in found
            found[place] = image, label
    return found


def check_views(plan, images, batch_size):
    """Each view is what training from the images takes in that epoch; validation is as it is."""
    found = walk(plan, plan.predict_dataloader())
    train, val = images.train_samples(), images.val_samples()
    assert len(found) == len(train) * plan.views + len(val)
    for (split, view, sample), (image, label) in found.items():
        expected = (train if split == "train" else val)[[SampleKey(view, sample)]]
        assert torch.equal(image, expected.image[0])
        assert label == expected.label.item()


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_a_view_of_a_folder_is_the_crop_of_that_epoch(images, batch_size):
    data = image_data(images, batch_size=batch_size, flip=True, seed=3)
    check_views(plan_of(data), data, batch_size)


def test_a_view_of_a_digit_is_the_warp_of_that_epoch():
    data = DigitsDataModule(batch_size=300, augmentation=Warp(), seed=5)
    check_views(plan_of(data, shard_size=1000), data, 300)


def test_any_listed_images_can_be_encoded(tmp_path, monkeypatch):
    write_cifar(tmp_path / "cifar", monkeypatch)
    shards, small = write_shards(tmp_path / "shards", classes=10), {"image_size": 16, "batch_size": 5, "num_workers": 0}
    for data in (
        CIFARDataModule(str(tmp_path / "cifar"), **small),
        TinyImageNetDataModule(str(write_tiny_imagenet(tmp_path / "tiny")), **small),
        WebDatasetDataModule(shards, "digits", val_fraction=0.4, **small),
    ):
        plan = plan_of(data)
        check_views(plan, data, 5)
        assert plan.image_size() == 16
        assert str(tmp_path) not in str(plan.identity())


def test_the_images_are_prepared_with_the_plan_and_know_its_process(images):
    data = image_data(images)
    prepared, data.prepare_data = [], lambda: prepared.append(data.trainer)
    plan = TokenizationPlan(data)
    plan.trainer = SimpleNamespace(global_rank=1, world_size=2)
    plan.prepare_data()
    plan.setup("predict")
    assert prepared == [None]
    assert data.trainer is plan.trainer


def test_images_that_may_turn_out_unreadable_cannot_be_encoded(images):
    with pytest.raises(ValueError, match=r"data\.images\.unreadable='skip' .*data\.images\.check: true"):
        plan_of(image_data(images, unreadable="skip"))
    plan_of(image_data(images, unreadable="skip", check=True))


def test_a_stream_cannot_be_encoded(tmp_path):
    shards = write_shards(tmp_path / "shards", classes=10)
    data = WebDatasetDataModule(shards, "digits", val=shards, stream=True, epoch_samples=24)
    with pytest.raises(ValueError, match=r"data\.train is a stream"):
        plan_of(data)


def test_the_views_of_an_image_differ(images):
    plan = plan_of(image_data(images), views=3)
    found = walk(plan, plan.predict_dataloader())
    same = [torch.equal(found["train", 0, i][0], found["train", v, i][0]) for v in (1, 2) for i in range(22)]
    assert sum(same) < 5


@pytest.mark.parametrize("world_size", [1, 2, 3, 9])
@pytest.mark.parametrize("complete", [(), (0, 4), tuple(range(7))])
def test_ranks_share_what_remains(images, world_size, complete):
    plan = plan_of(image_data(images, batch_size=5))
    whole = walk(plan, plan.predict_dataloader())
    plan.skip(complete)
    parts = []
    for rank in range(world_size):
        plan.trainer = SimpleNamespace(global_rank=rank, world_size=world_size)
        parts.append(plan.predict_dataloader())
    found = [walk(plan, part) for part in parts]
    together = {place: image for part in found for place, image in part.items()}
    assert len(together) == sum(len(part) for part in found) == sum(part.num_images for part in parts)
    assert together.keys() == {place for place in whole if plan.layout.locate(*place)[0] not in complete}
    assert all(len(part) == max(1, len(list(part))) for part in parts)
    shards = [len(part.shards) for part in parts]
    assert max(shards) - min(shards) <= 1


def test_no_batch_crosses_a_shard(images):
    plan = plan_of(image_data(images, batch_size=5))
    sizes = [(batch.shard, batch.start, len(batch.label)) for batch in plan.predict_dataloader()]
    assert sizes[:4] == [(0, 0, 5), (0, 5, 3), (1, 0, 5), (1, 5, 3)]
    assert sizes[-2:] == [(6, 0, 5), (6, 5, 1)]


class TestIdentity:
    def test_neither_place_nor_machine_is_in_it(self, images, tmp_path):
        here = plan_of(image_data(images)).identity()
        elsewhere = write_images(tmp_path / "elsewhere")
        assert plan_of(image_data(elsewhere, batch_size=1, num_workers=1)).identity() == here
        assert str(images) not in str(here)

    @pytest.mark.parametrize(
        ("change", "where"),
        [
            ({"seed": 1}, "train.crop.seed"),
            ({"flip": True}, "train.crop.flip"),
            ({"short_side": 20}, "train.crop.short_side"),
            ({"short_side": "evaluation"}, "val.crop.filter"),
            ({"image_size": 8}, "val.crop.image_size"),
            ({"val": None}, "val.images.sha256"),
        ],
    )
    def test_what_decides_the_images_is_in_it(self, images, change, where):
        ours = plan_of(image_data(images)).identity()
        theirs = plan_of(image_data(images, **change)).identity()
        for key in where.split("."):
            ours, theirs = ours[key], theirs[key]
        assert ours != theirs

    def test_names_sizes_and_labels_of_the_files_are_in_it(self, tmp_path):
        root = write_images(tmp_path / "images")
        file, seen = root / "train" / "dog" / "03.png", []

        def look():
            seen.append(plan_of(image_data(root)).identity()["train"]["images"]["sha256"])
            assert len(set(seen)) == len(seen)

        look()
        file.rename(file.with_name("33.png"))
        look()
        file.with_name("33.png").write_bytes((root / "train" / "dog" / "04.png").read_bytes())
        look()
        (root / "train" / "dog").rename(root / "train" / "ant")
        (root / "val" / "dog").rename(root / "val" / "ant")
        look()

    def test_the_class_list_is_in_it(self, images, tmp_path):
        entries = ClassEntry(0, 281, None, "cat", None), ClassEntry(1, 207, None, "dog", None)
        ClassList(entries).write(tmp_path / "classes.json")
        ours = plan_of(image_data(images)).identity()
        theirs = plan_of(image_data(images, classes=str(tmp_path / "classes.json")))
        assert theirs.identity()["classes_sha256"] != ours["classes_sha256"]
        assert {label for _, label in walk(theirs, theirs.predict_dataloader()).values()} == {281, 207}

    def test_the_digits_say_their_pixels_and_warps(self):
        def identity(**changes):
            return plan_of(DigitsDataModule(**{"augmentation": Warp(), **changes})).identity()

        ours = identity()
        assert ours["train"]["warp"] == {**dataclasses.asdict(Warp()), "zoom": [0.9, 1.1], "seed": 0}
        assert identity(batch_size=7) == ours
        for change in ({"seed": 1}, {"augmentation": Warp(rotate=5)}, {"augmentation": None}):
            assert identity(**change)["train"] != ours["train"]
            assert identity(**change)["val"] == ours["val"]
        assert identity(validation="train_split")["train"]["images"] != ours["train"]["images"]


class TestRefusals:
    @pytest.mark.parametrize("wrong", [{"views": 0}, {"shard_size": 0}])
    def test_numbers_below_one(self, images, wrong):
        with pytest.raises(ValueError, match=rf"data\.{next(iter(wrong))}=0"):
            TokenizationPlan(image_data(images), **wrong)

    def test_labels_that_are_no_class_rows(self, images):
        with pytest.raises(ValueError, match=r"data\.images\.label='cls'"):
            TokenizationPlan(image_data(images, label="cls"))

    def test_images_that_do_not_say_what_decides_them(self):
        with pytest.raises(ValueError, match="NoiseDataModule cannot be cached"):
            plan_of(NoiseDataModule())

    def test_unreadable_files_are_named_and_counted_as_in_tuning(self, tmp_path):
        root = write_images(tmp_path / "images")
        damaged = root / "train" / "cat" / "05.png"
        damaged.write_bytes(damaged.read_bytes()[:60])
        with pytest.raises(UnreadableImageError, match=r"1 of 22 images cannot be read[\s\S]*05\.png"):
            plan_of(image_data(root, check=True))
        with pytest.warns(UserWarning, match="1 of 22 images cannot be read"):
            plan = plan_of(image_data(root, check=True, unreadable="skip"))
        assert plan.layout.train == sum(COUNTS["train"].values()) - 1
        assert plan.identity()["train"]["images"]["count"] == 21
