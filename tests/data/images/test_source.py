import os

import numpy as np
import pytest
import torch

from hieramp_lit.data.images.crop import ResizeCrop
from hieramp_lit.data.images.source import ArraySource, ImageSamples, PackedNames
from hieramp_lit.data.loading import SampleKey


def arrays(seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    return ArraySource(pixels, [3, 1, 3, 2, 1, 3], PackedNames(f"image {i}" for i in range(6)))


def test_a_subset_keeps_pixels_labels_and_names_together():
    source, some = arrays(), arrays().subset([4, 0])
    assert len(some) == 2
    assert some.labels.tolist() == [1, 3]
    assert [some.name(0), some.name(1)] == ["image 4", "image 0"]
    assert np.array_equal(np.asarray(some.read(1)), source.images[0])


def test_identity_follows_pixels_labels_and_order():
    source = arrays()
    others = [arrays(1), source.subset([0, 1, 2, 3, 5, 4]), source.subset(range(5))]
    others.append(ArraySource(source.images, [0, 1, 3, 2, 1, 3], PackedNames("abcdef")))
    sums = [one.identity()["sha256"] for one in (source, *others)]
    assert len(set(sums)) == 5
    assert arrays().identity() == source.identity() == {"count": 6, "sha256": sums[0]}


def test_batches_are_images_labels_and_crops_by_their_keys():
    crop = ResizeCrop(8, 12, random=True, flip=True, seed=4)
    samples = ImageSamples(arrays(), crop)
    keys = [SampleKey(epoch, place) for epoch in (0, 1) for place in (5, 0, 3)]
    together, alone = samples[keys], [samples[[key]] for key in keys]
    assert torch.equal(together.image, torch.cat([batch.image for batch in alone]))
    assert together.label.tolist() == [3, 3, 2] * 2
    for key, image in zip(keys, together.image, strict=True):
        expected = crop(arrays().read(key.sample), key)
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(expected))
    assert not torch.equal(together.image[:3], together.image[3:])
    assert samples.identity() == {"images": arrays().identity(), "crop": crop.identity()}


def test_packed_names_are_a_list_of_names():
    names = ["a", "", "b/ü.jpg", os.fsdecode(b"\xff.png")]
    packed = PackedNames(names)
    assert list(packed) == names
    assert packed[1:3] == names[1:3]
    assert list(packed.subset([3, 0])) == [names[3], "a"]
    assert list(PackedNames.unpack(packed.text, packed.ends)) == names
    with pytest.raises(IndexError):
        packed[4]
    with pytest.raises(ValueError, match="do not fit"):
        PackedNames.unpack(packed.text[:-1], packed.ends)
