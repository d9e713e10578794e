import math

import numpy as np
import pytest
import torch
import torchvision.transforms as T
import torchvision.transforms.functional as TF

from hieramp_lit.data.augment import Augmentation, Crops, resized_crop, sample_crops
from hieramp_lit.seeds import stream


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize(("height", "width", "size"), [(32, 32, 32), (40, 56, 24), (17, 23, 48), (64, 64, 16)])
def test_resized_crop_equals_torchvision(antialias, height, width, size):
    image = torch.rand(12, 3, height, width, generator=stream("noise"))
    crops = sample_crops(12, height, width, (0.05, 1.0), (0.5, 2.0), stream("crops"))
    ours = resized_crop(image, crops, size, antialias)
    for k in range(12):
        box = [int(field[k]) for field in crops]
        expected = TF.resized_crop(image[k], *box, [size, size], antialias=antialias)
        torch.testing.assert_close(ours[k], expected, atol=1e-5, rtol=0)


def test_a_crop_of_one_pixel_is_constant():
    image = torch.rand(1, 3, 8, 8, generator=stream("noise"))
    one = torch.tensor([1])
    crop = resized_crop(image, Crops(one * 3, one * 5, one, one), 4)
    torch.testing.assert_close(crop, image[:, :, 3:4, 5:6].expand(1, 3, 4, 4))


def test_flip_mirrors_the_marked_images_only():
    image = torch.rand(4, 3, 9, 7, generator=stream("noise"))
    crops = sample_crops(4, 9, 7, (0.2, 1.0), (0.75, 4 / 3), stream("crops"))
    marked = torch.tensor([True, False, True, False])
    plain, flipped = resized_crop(image, crops, 8), resized_crop(image, crops, 8, flip_B=marked)
    torch.testing.assert_close(flipped[marked], plain[marked].flip(-1))
    assert torch.equal(flipped[~marked], plain[~marked])


@pytest.mark.parametrize(
    ("height", "width", "scale", "ratio"),
    [(32, 32, (0.08, 1.0), (3 / 4, 4 / 3)), (20, 48, (0.3, 1.0), (3 / 4, 4 / 3)), (8, 64, (0.9, 1.0), (3 / 4, 4 / 3))],
)
def test_boxes_follow_torchvisions_law(height, width, scale, ratio):
    n = 6000
    ours = sample_crops(n, height, width, scale, ratio, stream("law"))
    torch.manual_seed(0)
    blank = torch.empty(1, height, width)
    theirs = torch.tensor([T.RandomResizedCrop.get_params(blank, list(scale), list(ratio)) for _ in range(n)])
    for field, (a, b) in zip(ours._fields, zip(ours, theirs.T, strict=True), strict=True):
        values = np.arange(int(max(a.max(), b.max())) + 1)
        gap = max(abs(float((a <= v).double().mean()) - float((b <= v).double().mean())) for v in values)
        assert gap < 1.95 * math.sqrt(2 / n), field  # two-sample Kolmogorov-Smirnov, 0.1 %


def test_boxes_lie_inside_the_image():
    crops = sample_crops(500, 13, 29, (0.01, 1.0), (0.1, 10.0), stream("inside"))
    assert (crops.top >= 0).all()
    assert (crops.left >= 0).all()
    assert (crops.top + crops.height <= 13).all()
    assert (crops.left + crops.width <= 29).all()


def test_images_of_a_batch_get_their_own_draws():
    image = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8).expand(6, 3, 32, 32)
    out = Augmentation()(image, 32, stream("own"))
    assert all(not torch.equal(out[0], out[k]) for k in range(1, 6))


def test_same_stream_same_images_and_range():
    image = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    first, second = (Augmentation()(image, 24, stream("same")) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == (5, 3, 24, 24)
    assert first.min() >= 0
    assert first.max() <= 1


def test_everything_off_keeps_the_pixels():
    image = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    for off in (Augmentation(enabled=False), Augmentation(min_scale=1.0, min_ratio=1.0, flip=0.0)):
        torch.testing.assert_close(off(image, 16, stream("off")), image.float() / 255)


@pytest.mark.parametrize("setting", [{"min_scale": 0.0}, {"min_ratio": 1.5}, {"flip": -0.1}])
def test_impossible_settings_name_their_key(setting):
    with pytest.raises(ValueError, match=f"augmentation.{next(iter(setting))}"):
        Augmentation(**setting)


def test_draws_do_not_depend_on_the_default_precision():
    image = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    single = Augmentation()(image, 32, stream("precision"))
    torch.set_default_dtype(torch.float64)
    torch.testing.assert_close(Augmentation()(image, 32, stream("precision")), single)
