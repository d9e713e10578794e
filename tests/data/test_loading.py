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


@pytest.mark.parametrize(("batch_size", "world_size", "accumulation"), [(8, 1, 1), (4, 1, 2), (1, 2, 4), (2, 2, 2)])
def test_an_epoch_is_whole_steps_of_the_same_samples_however_they_are_split(batch_size, world_size, accumulation):
    split = [
        TrainLoader(Numbers(22), batch_size, rank=rank, world_size=world_size, accumulation=accumulation)
        for rank in range(world_size)
    ]
    whole = TrainLoader(Numbers(22), 8)
    for _ in range(2):
        batches = zip(*(list(loader) for loader in split), strict=True)
        dealt = [sample for parts in batches for part in parts for sample in part.label.tolist()]
        assert dealt == samples(whole)
        assert len(dealt) == 16


def test_the_loader_knows_which_samples_it_gave_last():
    loader = TrainLoader(Numbers(22), 4)
    assert loader.last_samples() == []
    for _ in range(2):
        for batch in loader:
            assert loader.last_samples() == batch.label.tolist()


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


class Identified(Numbers):
    """Numbers that say what decides them, and count how often they are asked."""

    def __init__(self, identity):
        super().__init__(20)
        self.decides, self.asked = identity, 0

    def identity(self):
        self.asked += 1
        return self.decides


FILES = {"images": {"count": 20, "sha256": "ab" * 32}, "crop": {"short_side": 18, "seed": 0}}


def place(decides, taken):
    """Behind `taken` of an epoch's five batches."""
    loader = TrainLoader(Identified(decides), 4)
    list(islice(loader, taken))
    return loader.state_dict()


OTHER_SAMPLES = [
    ({**FILES, "crop": {"short_side": 19, "seed": 0}}, r"crop\.short_side \(data\.short_side\): checkpoint 18, now 19"),
    ({**FILES, "crop": {"short_side": 18, "seed": 1}}, r"crop\.seed \(data\.seed\): checkpoint 0, now 1"),
    (
        {**FILES, "images": {"count": 20, "sha256": "cd" * 32}},
        r'images\.sha256 \(data\.train .*: checkpoint "abab.*"cdcd',
    ),
    (
        {"images": FILES["images"], "warp": {"zoom": 1.0}},
        r"warp\.zoom \(data\.augmentation\): checkpoint null, now 1\.0",
    ),
]


@pytest.mark.parametrize(("other", "named"), OTHER_SAMPLES)
def test_a_place_among_other_samples_is_refused_and_between_epochs_warned_about(other, named):
    with pytest.raises(ValueError, match=named):
        TrainLoader(Identified(other), 4).load_state_dict(place(FILES, 3))
    with pytest.warns(UserWarning, match=named):
        TrainLoader(Identified(other), 4).load_state_dict(place(FILES, 5))
    TrainLoader(Identified(other), 4).load_state_dict(place(FILES, 0))


def test_samples_that_cannot_say_what_they_are_go_on():
    for before, after in ((FILES, None), (None, FILES), (FILES, dict(reversed(FILES.items())))):
        TrainLoader(Identified(after), 4).load_state_dict(place(before, 3))
    TrainLoader(Numbers(20), 4).load_state_dict(place(FILES, 3))


def test_samples_are_asked_once_and_not_before_they_must():
    samples = Identified(FILES)
    loader = TrainLoader(samples, 4)
    list(loader)
    assert samples.asked == 0
    assert loader.state_dict() == loader.state_dict()
    assert samples.asked == 1


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
