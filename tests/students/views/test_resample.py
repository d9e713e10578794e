import pytest
import torch
import torchvision.transforms.functional as TF

from hieramp_lit.seeds import stream
from hieramp_lit.students.views.augment import sample_crops
from hieramp_lit.students.views.resample import Crops, resized_crop, sample_batch, whole

SIZES = [(32, 32, 32), (40, 56, 24), (17, 23, 48), (64, 64, 16)]


def drawn(height, width, number=12):
    image = torch.rand(number, 3, height, width, generator=stream("noise"))
    return image, sample_crops(number, height, width, (0.05, 1.0), (0.5, 2.0), stream("crops"))


def by_torchvision(image, crops, size, antialias):
    boxes = zip(*(field.tolist() for field in crops), strict=True)
    views = [
        TF.resized_crop(one, *box, [size, size], antialias=antialias) for one, box in zip(image, boxes, strict=True)
    ]
    return torch.stack(views)


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize(("height", "width", "size"), SIZES)
def test_it_equals_torchvision(antialias, height, width, size):
    image, crops = drawn(height, width)
    assert torch.equal(resized_crop(image, crops, size, antialias), by_torchvision(image, crops, size, antialias))


@pytest.mark.parametrize(("height", "width", "size"), SIZES)
def test_a_whole_batch_at_once_equals_torchvision_too(height, width, size):
    image, crops = drawn(height, width)
    expected = by_torchvision(image, crops, size, antialias=False)
    torch.testing.assert_close(sample_batch(image, crops, size), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("way", [resized_crop, sample_batch])
def test_bytes_are_taken_as_numbers_up_to_one(way):
    image, crops = drawn(20, 28)
    stored = (image * 255).to(torch.uint8)
    views = way(stored, crops, 30)
    assert views.dtype == torch.float32
    torch.testing.assert_close(views, way(stored.float() / 255, crops, 30), atol=0, rtol=0)


@pytest.mark.parametrize("way", [resized_crop, sample_batch])
def test_nothing_from_beyond_the_box_comes_in(way):
    image = torch.zeros(1, 3, 16, 16)
    image[:, :, 4:9, 6:12] = 1.0
    box = Crops(*(torch.tensor([number]) for number in (4, 6, 5, 6)))
    torch.testing.assert_close(way(image, box, 20), torch.ones(1, 3, 20, 20), atol=1e-5, rtol=0)


@pytest.mark.parametrize("way", [resized_crop, sample_batch])
def test_a_crop_of_one_pixel_is_constant(way):
    image = torch.rand(1, 3, 8, 8, generator=stream("noise"))
    one = torch.tensor([1])
    crop = way(image, Crops(one * 3, one * 5, one, one), 4)
    torch.testing.assert_close(crop, image[:, :, 3:4, 5:6].expand(1, 3, 4, 4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("way", [resized_crop, sample_batch])
def test_flip_mirrors_the_marked_images_only(way):
    image, crops = drawn(9, 7, number=4)
    marked = torch.tensor([True, False, True, False])
    plain, flipped = way(image, crops, 8), way(image, crops, 8, flip_B=marked)
    torch.testing.assert_close(flipped[marked], plain[marked].flip(-1))
    assert torch.equal(flipped[~marked], plain[~marked])


@pytest.mark.parametrize("way", [resized_crop, sample_batch])
def test_the_whole_image_at_its_own_size_is_itself(way):
    image = torch.rand(3, 3, 16, 16, generator=stream("noise"))
    torch.testing.assert_close(way(image, whole(image), 16), image, atol=2e-6, rtol=0)
