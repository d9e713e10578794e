import pytest
import torch

from hieramp_lit.seeds import stream
from hieramp_lit.students.views.augment import Augmentation
from hieramp_lit.students.views.batch import Views
from hieramp_lit.students.views.mix import mix_images_


def images(number):
    return torch.randint(0, 256, (number, 3, 24, 24), dtype=torch.uint8, generator=stream("images"))


@pytest.mark.parametrize("mix", ["cutmix", "mixup", "none"])
def test_views_are_augmented_then_mixed_by_one_stream(mix):
    augmentation, draws = Augmentation(), stream("views")
    expected = mix_images_(augmentation(images(6), 16, draws), mix, 1.0, draws)
    views = Views(augmentation, 16, mix, 1.0)(images(6), stream("views"))
    assert torch.equal(views.image, expected.image)
    assert torch.equal(views.partner, expected.partner)
    assert views.share == expected.share


def test_batches_of_any_size_are_as_from_new_memory():
    views = Views(Augmentation(), 16, "cutmix", 1.0)
    for number in (5, 2, 5, 7):
        fresh = Views(Augmentation(), 16, "cutmix", 1.0)(images(number), stream("size", number))
        assert torch.equal(views(images(number), stream("size", number)).image, fresh.image)


def test_memory_is_used_again():
    views = Views(Augmentation(), 16, "cutmix", 1.0)
    first = views(images(6), stream("a")).image
    assert views(images(4), stream("b")).image.data_ptr() == first.data_ptr()
