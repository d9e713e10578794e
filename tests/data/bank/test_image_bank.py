import pytest
import torch

from hieramp_lit.data.bank.image_bank import ImageBank, resize_uint8
from hieramp_lit.data.batches import ImageBatch


def bank(n=10):
    images = torch.arange(n, dtype=torch.uint8)[:, None, None, None].expand(n, 3, 4, 4).contiguous()
    return ImageBank(images, torch.arange(n))


def test_joined_batches_make_a_bank_and_its_hash_sees_labels_and_pixels():
    whole = bank()
    joined = ImageBank.collect(whole[index] for index in torch.arange(10).split(3))
    assert torch.equal(joined.images, whole.images)
    assert joined.sha256() == whole.sha256()
    assert ImageBank(whole.images, whole.labels.flip(0)).sha256() != whole.sha256()
    assert ImageBank(whole.images.flip(0), whole.labels).sha256() != whole.sha256()


def test_resizing_keeps_constants_and_does_nothing_at_equal_size():
    images = torch.full((2, 3, 9, 9), 200, dtype=torch.uint8)
    assert resize_uint8(images, (9, 9)) is images
    assert (resize_uint8(images, (4, 4)) == 200).all()


@pytest.mark.parametrize(
    ("images", "of"),
    [
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64)),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2)),
    ],
)
def test_a_bank_refuses_other_tensors(images, of):
    with pytest.raises(ValueError, match="bank"):
        ImageBank(images, of)


def test_no_batches_is_an_error():
    with pytest.raises(ValueError, match="no images"):
        ImageBank.collect(iter([]))
    assert isinstance(bank()[torch.tensor([1])], ImageBatch)


def test_joining_a_list_lets_its_batches_go():
    parts = [bank()[index] for index in torch.arange(10).split(4)]
    joined = ImageBank.collect(parts)
    assert parts == []
    assert torch.equal(joined.labels, torch.arange(10))


@pytest.mark.parametrize("index", [[3], [7, 0, 7, 9]])
def test_batches_for_another_device_hold_the_same_images(index):
    whole, index_B = bank(), torch.tensor(index)
    here = whole.gather(index_B, torch.device("cpu"))
    assert torch.equal(here.image, whole.images[index_B])
    assert torch.equal(here.label, whole.labels[index_B])
    abroad = whole.gather(index_B, torch.device("meta"))
    assert abroad.image.shape == here.image.shape
    assert {abroad.image.device.type, abroad.label.device.type} == {"meta"}
    copied = torch.zeros_like(here.image)
    whole._copy_to(copied, index_B)  # how a GPU fetches them; this machine may have none
    assert torch.equal(copied, here.image)
