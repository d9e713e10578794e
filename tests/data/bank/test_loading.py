import pytest
import torch

from hieramp_lit.data.bank.loading import BankBatches, BankLoader
from tests.data.bank.test_image_bank import bank


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


def test_impossible_batch_size_names_the_key():
    with pytest.raises(ValueError, match=r"data\.batch_size=0"):
        BankLoader(bank(), 0, seed=0)


@pytest.mark.parametrize("other", [{"batch_size": 3}, {"seed": 6}])
def test_a_place_of_other_batches_is_refused(other):
    cut = BankLoader(bank(), 4, seed=5)
    next(iter(cut))
    resumed = BankLoader(bank(), **({"batch_size": 4, "seed": 5} | other))
    with pytest.raises(ValueError, match=r"written in mid-epoch.*data\.batch_size"):
        resumed.load_state_dict(cut.state_dict())


@pytest.mark.parametrize(("n", "sizes"), [(9, [4, 5]), (5, [5]), (13, [4, 4, 5]), (12, [4, 4, 4]), (1, [1])])
def test_a_single_image_left_over_joins_the_batch_before_it(n, sizes):
    loader = BankLoader(bank(n), 4, seed=0)
    for _ in range(2):
        batches = labels(loader)
        assert [len(batch) for batch in batches] == sizes
        assert sorted(label for batch in batches for label in batch) == list(range(n))
    assert len(loader) == len(sizes)


def test_batches_of_one_stay_as_asked():
    assert [len(batch) for batch in labels(BankLoader(bank(3), 1, seed=0))] == [1, 1, 1]


def test_a_place_among_joined_batches_is_exact():
    whole = BankLoader(bank(9), 4, seed=5)
    expected = labels(whole) + labels(whole)
    cut = BankLoader(bank(9), 4, seed=5)
    next(iter(cut))
    resumed = BankLoader(bank(9), 4, seed=5)
    resumed.load_state_dict(cut.state_dict())
    assert labels(resumed) == expected[1:3]
