"""Which images are looked at, in which size, under which names and classes."""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from hieramp_lit.classes import ClassList
from hieramp_lit.generate import DigitsImages, FolderImages
from hieramp_lit.inspection import RealSetImages, SetImages
from hieramp_lit.inspection.batches import AHEAD, MOST_THREADS, batches
from hieramp_lit.shards import ShardError, ShardSet
from tests.shards.making import NoiseGenerator, make_set


def read(images):
    return [call() for call in images.calls()]


def test_a_set_gives_its_samples_in_plan_order(digits):
    shards = ShardSet.open(digits)
    images = SetImages(shards, shards.classes)
    found = read(images)
    assert (len(images), images.side) == (60, 32)
    assert [one.number for one in found] == list(range(60))
    for one, sample in zip(found, shards, strict=True):
        assert images.name(one.number) == sample.key
        assert one.cls == sample.cls
        assert np.array_equal(np.asarray(one.image), sample.image)


def test_other_classes_are_left_out_and_counted_in_the_set_s_own(digits, tmp_path):
    few = make_set(tmp_path / "few", NoiseGenerator(), class_subset=[7, 2]).classes
    images = SetImages(ShardSet.open(digits), few, 32)
    found = read(images)
    names = [entry.name for entry in few.entries]
    assert (len(images), images.describe()["left_out"]) == (12, 48)
    assert [(images.name(one.number), one.cls) for one in found] == [
        (f"r{digit:05d}_{index:05d}", names.index(str(digit))) for digit in (2, 7) for index in range(6)
    ]


def test_classes_that_are_missing_are_named(digits, tmp_path):
    few = make_set(tmp_path / "few", NoiseGenerator(), class_subset=[7, 2])
    with pytest.raises(ValueError, match=r"--reference has no images of 8 of the set's 10 classes: 0, 1, 3"):
        SetImages(few, ShardSet.open(digits).classes, 32, "--reference")


def test_real_images_have_the_set_s_classes_and_size(digits):
    classes = ShardSet.open(digits).classes
    turned = ClassList(tuple(one._replace(cls=9 - one.cls) for one in reversed(classes.entries)))
    data = DigitsImages("train")
    images = RealSetImages(data, turned, 16)
    found = read(images)
    assert len(found) == len(images) == 1347
    assert [one.cls for one in found] == (9 - data.rows()).tolist()
    assert found[0].image.size == (16, 16)
    assert images.describe() == {
        "kind": "real images", "data": data.identity(), "images": 1347, "left_out": 0, "image_size": 16
    }  # fmt: skip


def test_the_same_images_as_set_folder_and_data_are_the_same(tmp_path, digits):
    shards = ShardSet.open(digits)
    for sample in shards:
        (tmp_path / "folder" / str(sample.cls)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(sample.image).save(tmp_path / "folder" / str(sample.cls) / f"{sample.key}.png")
    data = FolderImages(str(tmp_path / "folder"), 32)
    images = RealSetImages(data, shards.classes, 32)
    assert images.name(7) == "1/r00001_00001.png"
    for one, other in zip(read(images), read(SetImages(shards, shards.classes)), strict=True):
        assert (one.number, one.cls) == (other.number, other.cls)
        assert one.image.tobytes() == other.image.tobytes()


def test_a_limit_draws_by_its_seed_alone(digits):
    shards = ShardSet.open(digits)

    def kept(most, seed):
        images = SetImages(shards, shards.classes)
        images.limit(most, seed)
        assert len(images) == min(most, 60)
        return [one.number for one in read(images)]

    assert kept(20, 0) == kept(20, 0) == sorted(kept(20, 0))
    assert kept(20, 0) != kept(20, 1)
    assert set(kept(10, 0)) < set(kept(20, 0))
    assert kept(100, 0) == list(range(60))


def test_batches_hold_every_image_once_in_each_size(digits):
    shards = ShardSet.open(digits)
    images = SetImages(shards, shards.classes)
    found = list(batches(images, (32, 16), 7))
    assert [len(batch.label) for batch in found] == [7] * 8 + [4]
    assert torch.cat([batch.number for batch in found]).tolist() == list(range(60))
    assert found[0].images[16].shape == (7, 3, 16, 16)
    assert found[0].images[16].dtype == torch.uint8
    first = next(iter(shards)).image
    assert np.array_equal(found[0].images[32][0].permute(1, 2, 0), first)
    smaller = Image.fromarray(first).resize((16, 16), Image.Resampling.LANCZOS)
    assert np.array_equal(found[0].images[16][0].permute(1, 2, 0), np.asarray(smaller))
    assert found[0].tokens is None


def test_few_images_are_held_at_once(digits):
    shards = ShardSet.open(digits)
    images = SetImages(shards, shards.classes)
    asked = []
    calls = images.calls

    class Watched(SetImages):
        def calls(self):
            for call in calls():
                asked.append(call)
                yield call

    first = next(batches(Watched(shards, shards.classes), (32,), 2))
    assert len(first.label) == 2
    assert len(asked) <= 2 + AHEAD * min(MOST_THREADS, len(os.sched_getaffinity(0)))


def test_a_square_is_cut_from_the_middle_of_another_shape(tmp_path):
    stripes = np.zeros((10, 30, 3), np.uint8)
    stripes[:, 10:20] = 200
    for name in "ab":
        (tmp_path / "images" / name).mkdir(parents=True)
        Image.fromarray(stripes).save(tmp_path / "images" / name / "0.png")
    data = FolderImages(str(tmp_path / "images"), 10)
    found = read(RealSetImages(data, data.classes, 10))
    assert {value for one in found for value in np.unique(one.image)} == {200}


def test_labels_that_contradict_the_plan_are_a_fault(digits):
    shards = ShardSet.open(digits)
    images = SetImages(shards, shards.classes)
    manifest = shards.manifest
    identity = {**manifest.identity, "plan": {**manifest.identity["plan"], "images_per_class": 5}}
    images.shards = replace(shards, manifest=replace(manifest, identity=identity))
    with pytest.raises(ShardError, match=r"sample r00000_00005 of cls 0 where the plan has r00001_00000.*verify"):
        read(images)


def test_a_batch_of_images_with_and_without_tokens_is_a_fault(tokens):
    shards = ShardSet.open(tokens)
    images = SetImages(shards, shards.classes)

    def without(key, fields):
        return key, {name: value for name, value in fields.items() if name != "tokens.npy" or key != "r00000_00001"}

    class Cut(ShardSet):
        def read(self, record):
            for key, fields in super().read(record):
                yield without(key, fields)

    images.shards = Cut(shards.path, shards.manifest, shards.classes)
    with pytest.raises(ShardError, match="some have tokens and others none"):
        list(batches(images, (8,), 4))
