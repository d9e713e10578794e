from itertools import islice

import pytest
import torch

from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.data.loading import EvaluationLoader, TrainLoader
from hieramp_lit.seeds import stable_seed


class Numbers:
    """Batches whose label is the sample and whose pixel is an augmentation drawn from the sample's key."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, keys):
        drawn = [stable_seed("augmentation", *key) % 256 for key in keys]
        image = torch.tensor(drawn, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 1, 1)
        return ImageBatch(image.contiguous(), torch.tensor([key.sample for key in keys]))


def content(batches):
    return [(batch.label.tolist(), batch.image.flatten().tolist()) for batch in batches]


def samples(batches):
    return [sample for batch in batches for sample in batch.label.tolist()]


def test_an_epoch_has_every_sample_at_most_once_and_leaves_out_less_than_a_batch():
    loader = TrainLoader(Numbers(23), 4)
    first, second = samples(loader), samples(loader)
    assert len(first) == len(set(first)) == len(second) == len(set(second)) == 20
    assert set(first) != set(second)


def test_the_order_is_a_function_of_the_seed():
    assert content(TrainLoader(Numbers(20), 4, seed=1)) == content(TrainLoader(Numbers(20), 4, seed=1))
    assert content(TrainLoader(Numbers(20), 4, seed=1)) != content(TrainLoader(Numbers(20), 4, seed=2))


def test_two_ranks_together_see_the_global_batches_of_one():
    alone = TrainLoader(Numbers(23), 6)
    pair = [TrainLoader(Numbers(23), 3, rank=rank, world_size=2) for rank in (0, 1)]
    for _ in range(2):
        whole, left, right = list(alone), *(list(loader) for loader in pair)
        assert len(whole) == len(left) == len(right) == 3
        for batch, part, other in zip(whole, left, right, strict=True):
            assert batch.label.tolist() == part.label.tolist() + other.label.tolist()
            assert torch.equal(batch.image, torch.cat([part.image, other.image]))


@pytest.mark.parametrize("taken", [0, 1, 3, 5, 7, 10])
def test_a_restored_loader_goes_on_with_the_batches_that_were_not_seen(taken):
    whole = TrainLoader(Numbers(22), 4)
    stream = [batch for _ in range(3) for batch in whole]
    stopped = TrainLoader(Numbers(22), 4)
    seen = []
    while len(seen) < taken:
        for batch in stopped:
            seen.append(batch)
            if len(seen) == taken:
                break
    resumed = TrainLoader(Numbers(22), 4)
    resumed.load_state_dict(stopped.state_dict())
    assert content(seen + list(resumed)) == content(stream[: taken + len(resumed)])


def test_an_epoch_left_early_loses_no_batch():
    # limit_train_batches: the trainer takes three of five batches and asks for a new iterator
    whole, cut = TrainLoader(Numbers(20), 4), TrainLoader(Numbers(20), 4)
    taken = [batch for _ in range(3) for batch in islice(cut, 3)]
    assert content(taken) == content([*whole, *whole])[:9]


def test_a_fresh_iterator_that_nobody_reads_changes_nothing():
    loader = TrainLoader(Numbers(20), 4)
    iter(loader), iter(loader)
    assert content(loader) == content(TrainLoader(Numbers(20), 4))


@pytest.mark.parametrize("changed", [{"batch_size": 5}, {"seed": 1}, {"samples": Numbers(24)}])
def test_a_place_in_other_batches_is_refused_unless_an_epoch_begins(changed):
    loader = TrainLoader(Numbers(20), 4)
    next(iter(loader))
    arguments = {"samples": Numbers(20), "batch_size": 4, "seed": 0, **changed}
    with pytest.raises(ValueError, match=r"data\.batch_size"):
        TrainLoader(**arguments).load_state_dict(loader.state_dict())
    between = TrainLoader(Numbers(20), 4)
    list(between)
    TrainLoader(**arguments).load_state_dict(between.state_dict())


@pytest.mark.parametrize("loader", [TrainLoader, EvaluationLoader])
def test_workers_change_nothing(loader):
    assert content(loader(Numbers(11), 2, num_workers=2)) == content(loader(Numbers(11), 2))


def test_persistent_workers_start_a_second_epoch_after_one_left_early():
    with_workers, without = TrainLoader(Numbers(12), 2, num_workers=1), TrainLoader(Numbers(12), 2)
    for loader in (with_workers, without):
        next(iter(loader))
    assert content(with_workers) == content(without)


def test_loading_takes_nothing_from_the_global_random_stream():
    before = torch.random.get_rng_state()
    list(TrainLoader(Numbers(8), 2)), list(EvaluationLoader(Numbers(8), 2))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(("count", "batch_size", "world_size"), [(7, 3, 1), (7, 3, 2), (9, 2, 4), (4, 8, 4)])
def test_evaluation_sees_every_sample_once_over_all_ranks(count, batch_size, world_size):
    loaders = [EvaluationLoader(Numbers(count), batch_size, rank, world_size) for rank in range(world_size)]
    assert sorted(s for loader in loaders for s in samples(loader)) == list(range(count))
    assert all(len(list(loader)) == len(loader) for loader in loaders)


def test_impossible_sizes_name_the_key():
    with pytest.raises(ValueError, match=r"data\.batch_size=4 on 2 device"):
        TrainLoader(Numbers(7), 4, world_size=2)
    with pytest.raises(ValueError, match=r"data\.batch_size=0"):
        TrainLoader(Numbers(7), 0)
    with pytest.raises(ValueError, match=r"data\.num_workers=-1"):
        EvaluationLoader(Numbers(7), 1, num_workers=-1)
    with pytest.raises(ValueError, match=r"trainer\.devices"):
        EvaluationLoader(Numbers(1), 1, world_size=2)
