import math

import numpy as np
import pytest
import torch
import torchvision.transforms as T

from hieramp_lit.seeds import stream
from hieramp_lit.students.views.augment import Augmentation, sample_crops


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


@pytest.mark.parametrize(
    "setting",
    [
        {"min_scale": 0.0},
        {"min_ratio": 1.5},
        {"flip": -0.1},
        {"max_scale": 1.2},
        {"max_scale": 0.05},
        {"shuffle_patches": 0},
    ],
)
def test_impossible_settings_name_their_key(setting):
    with pytest.raises(ValueError, match=f"augmentation.{next(iter(setting))}"):
        Augmentation(**setting)


@pytest.mark.parametrize("scale", [(0.25, 0.25), (0.3, 0.6)])
def test_crops_keep_between_the_smallest_and_the_largest_share(scale):
    ramp = torch.arange(64.0).expand(300, 3, 64, 64)  # a crop's width shows in its range of greys
    squares = Augmentation(min_scale=scale[0], max_scale=scale[1], min_ratio=1.0, flip=0.0, antialias=False)
    out = squares(ramp, 64, stream("scale"))
    sides = (out[:, 0, 0].max(1).values - out[:, 0, 0].min(1).values + 1).round()
    assert sides.min() >= round(64 * scale[0] ** 0.5)
    assert sides.max() <= round(64 * scale[1] ** 0.5)
    assert len(sides.unique()) > 5 or scale[0] == scale[1]


def test_draws_do_not_depend_on_the_default_precision():
    image = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    single = Augmentation()(image, 32, stream("precision"))
    torch.set_default_dtype(torch.float64)
    torch.testing.assert_close(Augmentation()(image, 32, stream("precision")), single)


def test_a_result_may_be_written_into_given_memory():
    image = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    memory = torch.full((5, 3, 24, 24), torch.nan)
    written = Augmentation()(image, 24, stream("out"), memory)
    assert written is memory
    assert torch.equal(written, Augmentation()(image, 24, stream("out")))
