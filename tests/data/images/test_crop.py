import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from hieramp_lit.data.images.crop import ResizeCrop, evaluation_short_side, var_short_side
from hieramp_lit.data.loading import SampleKey


def image(width, height):
    values = np.random.default_rng(0).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


def test_short_sides_of_the_two_protocols():
    assert [var_short_side(size) for size in (256, 512, 32)] == [288, 576, 36]
    assert [evaluation_short_side(size) for size in (224, 128, 64, 32, 33)] == [256, 144, 72, 32, 33]


@pytest.mark.parametrize(("width", "height"), [(50, 40), (40, 50), (37, 91), (20, 20), (39, 36)])
def test_centre_crop_equals_torchvisions(width, height):
    ours = ResizeCrop(32, 36)(image(width, height), SampleKey(0, 0))
    theirs = v2.Compose([v2.Resize(36, v2.InterpolationMode.LANCZOS), v2.CenterCrop(32)])(image(width, height))
    assert ours.size == (32, 32)
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))


def test_evaluation_resizes_as_torchvision_does_by_default():
    ours = ResizeCrop(32, 36, filter="bilinear")(image(50, 40), SampleKey(0, 0))
    theirs = v2.Compose([v2.Resize(36), v2.CenterCrop(32)])(image(50, 40))
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))


def places(crop, width, height, keys):
    """Where the crops lie, read off an image whose red and green are its coordinates."""
    y, x = np.mgrid[:height, :width]
    coordinates = Image.fromarray(np.stack([x, y, x * 0], axis=-1).astype(np.uint8))
    return [crop(coordinates, key).getpixel((0, 0))[:2] for key in keys]


def test_random_crops_reach_every_place_and_belong_to_their_key():
    crop = ResizeCrop(8, 10, random=True, seed=3)
    keys = [SampleKey(epoch, sample) for epoch in (0, 1) for sample in range(60)]
    found = places(crop, 12, 10, keys)
    assert {x for x, _ in found} == set(range(5))
    assert {y for _, y in found} == set(range(3))
    assert found == places(crop, 12, 10, keys)
    assert found[:60] != found[60:]
    assert found != places(ResizeCrop(8, 10, random=True, seed=4), 12, 10, keys)


def test_flip_mirrors_about_half_of_the_images_and_nothing_else():
    square = image(16, 16)
    flip, plain = ResizeCrop(16, 16, flip=True), ResizeCrop(16, 16)
    straight = np.asarray(plain(square, SampleKey(0, 0)))
    mirrored = [np.asarray(flip(square, SampleKey(0, i))) for i in range(60)]
    count = sum(np.array_equal(m, straight[:, ::-1]) for m in mirrored)
    assert count + sum(np.array_equal(m, straight) for m in mirrored) == 60
    assert 18 < count < 42


def test_drawing_leaves_the_global_stream_alone():
    before = torch.random.get_rng_state()
    ResizeCrop(8, 10, random=True, flip=True)(image(12, 12), SampleKey(0, 0))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(("size", "side"), [(32, 31), (0, 10)])
def test_impossible_sides_name_the_keys(size, side):
    with pytest.raises(ValueError, match=r"data\.image_size=.*data\.short_side="):
        ResizeCrop(size, side)
