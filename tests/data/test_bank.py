import pytest
import torch

from hieramp_lit.data.bank import BankBatches, BankLoader, ImageBank, resize_uint8
from hieramp_lit.data.batches import ImageBatch


def bank(n=10):
    images = torch.arange(n, dtype=torch.uint8)[:, None, None, None].expand(n, 3, 4, 4).contiguous()
    return ImageBank(images, torch.arange(n))


def labels(loader):
    return [batch.label.tolist() for batch in loader]


def test_an_epoch_has_every_image_once_and_labels_stay_with_their_images():
    loader = BankLoader(bank(), 4, seed=0)
    batches = list(loader)
    assert [len(batch.label) for batch in batches] == [4, 4, 2]
    assert len(loader) == 3
    assert sorted(torch.cat([batch.label for batch in loader]).tolist()) == list(range(10))
    for batch in batches:
        assert torch.equal(batch.image[:, 0, 0, 0].long(), batch.label)


def test_order_depends_on_seed_and_epoch_alone():
    first, second, other = BankLoader(bank(), 4, seed=0), BankLoader(bank(), 4, seed=0), BankLoader(bank(), 4, seed=1)
    epochs = [labels(first), labels(first)]
    torch.manual_seed(99)
    assert [labels(second), labels(second)] == epochs
    assert epochs[0] != epochs[1]
    assert labels(other) != epochs[0]


def test_evaluation_keeps_the_banks_order():
    batches = BankBatches(bank(), 4)
    assert labels(batches) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(batches) == 3


@pytest.mark.parametrize("stop", [0, 1, 2, 3, 4, 5])
def test_a_restored_place_gives_the_batches_that_were_not_seen(stop):
    whole = BankLoader(bank(), 4, seed=5)
    expected = [batch for _ in range(4) for batch in labels(whole)]
    cut = BankLoader(bank(), 4, seed=5)
    batches = iter(batch for _ in range(2) for batch in cut)
    for _ in range(stop):
        next(batches)
    resumed = BankLoader(bank(), 4, seed=5)
    resumed.load_state_dict(cut.state_dict())
    assert labels(resumed) == expected[stop : stop + 3]
    assert labels(resumed) == expected[stop + 3 : stop + 6]


@pytest.mark.parametrize("n", [8, 9, 11])
def test_ranks_share_an_epoch_in_equal_steps(n):
    parts = [BankLoader(bank(n), 2, seed=0, rank=rank, world_size=2) for rank in range(2)]
    seen = [torch.cat([batch.label for batch in part]).tolist() for part in parts]
    assert len(seen[0]) == len(seen[1]) == n // 2
    assert not set(seen[0]) & set(seen[1])


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


def test_impossible_batch_size_names_the_key():
    with pytest.raises(ValueError, match=r"data\.batch_size=0"):
        BankLoader(bank(), 0, seed=0)


def test_no_batches_is_an_error():
    with pytest.raises(ValueError, match="no images"):
        ImageBank.collect(iter([]))
    assert isinstance(bank()[torch.tensor([1])], ImageBatch)


@pytest.mark.parametrize("other", [{"batch_size": 3}, {"seed": 6}])
def test_a_place_of_other_batches_is_refused(other):
    cut = BankLoader(bank(), 4, seed=5)
    next(iter(cut))
    resumed = BankLoader(bank(), **({"batch_size": 4, "seed": 5} | other))
    with pytest.raises(ValueError, match=r"written in mid-epoch.*data\.batch_size"):
        resumed.load_state_dict(cut.state_dict())
