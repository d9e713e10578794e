from itertools import islice

import pytest
import torch

from hieramp_lit.classes import load_classes
from hieramp_lit.data.images.crop import ResizeCrop
from hieramp_lit.data.web.labels import LabelMeaning
from hieramp_lit.data.web.shards import Fields, ShardError, find_shards
from hieramp_lit.data.web.stream import Reading, ShardStream, StreamLoader
from tests.data.web.web_sets import numbers, write_shards, write_tar

SIZES = (7, 5, 8, 4)


@pytest.fixture
def urls(tmp_path):
    return find_shards(write_shards(tmp_path / "shards", SIZES), "train").urls


def stream_of(urls, batch_size=4, epoch_samples=24, classes=None, **reading):
    meaning = LabelMeaning(load_classes(classes or "digits"), "row", "imagenet" if classes else "cls")
    crop = ResizeCrop(8, 9, random=True)
    way = Reading(**{"readers": 2, "shuffle": 1, **reading})
    return ShardStream(urls, Fields(), meaning, crop, batch_size, epoch_samples, way)


def seen(loader):
    return [number for batch in loader for number in numbers(batch.image)]


def test_unshuffled_shards_come_whole_each_once_before_any_comes_again(urls):
    loader = StreamLoader(stream_of(urls, batch_size=1, epoch_samples=48, readers=1))
    first = seen(loader)
    shards = [range(0, 7), range(7, 12), range(12, 20), range(20, 24)]
    for half in (first[:24], first[24:]):
        assert sorted(half) == list(range(24))
        starts = [half.index(shard[0]) for shard in shards]
        assert all(half[at : at + len(shard)] == list(shard) for at, shard in zip(starts, shards, strict=True))
    assert first[:24] != first[24:]
    assert seen(loader) != first


@pytest.mark.parametrize(("readers", "world_size"), [(2, 2), (1, 3), (3, 1), (6, 2)])
def test_readers_of_all_devices_share_the_shards(tmp_path, readers, world_size):
    """Where shards are of one size and readers divide them, an epoch is every image once."""
    urls = find_shards(write_shards(tmp_path / "equal", (4,) * 12), "train").urls
    way = {"readers": readers, "world_size": world_size}
    parts = [seen(StreamLoader(stream_of(urls, 1, 48, rank=rank, **way))) for rank in range(world_size)]
    assert sorted(number for part in parts for number in part) == list(range(48))


@pytest.mark.parametrize("shuffle", [1, 10, 1000])
def test_shuffling_loses_and_doubles_nothing(urls, shuffle):
    found = seen(StreamLoader(stream_of(urls, 1, 240, readers=1, shuffle=shuffle)))
    assert [found.count(number) for number in range(24)] == [10] * 24
    assert found[:24] != sorted(found[:24])


@pytest.mark.parametrize(("shards", "readers", "world_size"), [(10, 2, 2), (3, 4, 2), (1, 8, 1), (7, 1, 2)])
def test_an_epoch_of_all_devices_is_each_image_once(tmp_path, shards, readers, world_size):
    """Whatever the memory, and where the shards cannot be dealt out whole."""
    total = shards * 8
    urls = find_shards(write_shards(tmp_path / "equal", (8,) * shards), "train").urls
    way = {"readers": readers, "world_size": world_size, "shuffle": 1000}
    parts = [StreamLoader(stream_of(urls, 1, total, rank=rank, **way)) for rank in range(world_size)]
    epochs = [[seen(part) for part in parts] for _ in range(2)]
    for epoch in epochs:
        assert len({len(part) for part in epoch}) == 1
        assert sorted(number for part in epoch for number in part) == list(range(total))
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("world_size", [1, 2])
def test_uneven_shards_and_batches_miss_little_and_other_images_in_each_epoch(tmp_path, world_size):
    urls = find_shards(write_shards(tmp_path / "uneven", (21, 19, 20, 22, 18, 20, 23, 17, 20, 20)), "train").urls
    way = {"readers": 4, "world_size": world_size, "shuffle": 1000}
    parts = [StreamLoader(stream_of(urls, 5, 200, rank=rank, **way)) for rank in range(world_size)]
    missed = [set(range(200)) - {number for part in parts for number in seen(part)} for _ in range(4)]
    assert max(map(len, missed)) <= 20
    assert not set.intersection(*missed)


def test_labels_and_crops_belong_to_the_images(urls):
    for batch in StreamLoader(stream_of(urls, shuffle=5)):
        assert batch.image.shape == (4, 3, 8, 8)
        assert batch.image.dtype == torch.uint8
        assert batch.label.tolist() == [number % 2 for number in numbers(batch.image)]


@pytest.mark.parametrize("way", ["pipe:cat {}", "file:{}", "pipe:gzip -c {}"])
def test_any_way_to_a_shard_gives_the_same(urls, way):
    far = [way.format(url) for url in urls]
    assert seen(StreamLoader(stream_of(far, shuffle=3))) == seen(StreamLoader(stream_of(urls, shuffle=3)))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("pipe:cat nowhere.tar 2>/dev/null", r"pipe:cat nowhere\.tar.* cannot be opened"),
        ("pipe:cat {}; exit 3", "exit 3 was not sent to its end|exit 3"),
        ("pipe:cat {}; exec 1>&-; sleep 0.1; exit 3", "was not sent to its end: .*exit 3"),
        ("pipe:head -c 5000 {}", "cut short|cannot be read"),
        ("s3://bucket/a.tar", r"s3://bucket/a\.tar cannot be opened: .*pipe:aws s3 cp"),
        ("missing.tar", r"missing\.tar cannot be opened"),
    ],
)
def test_a_shard_that_does_not_arrive_is_named(urls, url, message):
    with pytest.raises(ShardError, match=message):
        seen(StreamLoader(stream_of([url.format(urls[0])], epoch_samples=240)))


def test_an_empty_shard_is_named_and_shards_of_other_classes_alone_do_not_hang(urls, tmp_path):
    empty = str(write_tar(tmp_path / "empty.tar", []))
    with pytest.raises(ShardError, match=r"empty\.tar holds no samples"):
        seen(StreamLoader(stream_of([*urls, empty], epoch_samples=96)))
    with pytest.raises(ShardError, match=r"8 shards in a row.* had no image of data\.classes"):
        seen(StreamLoader(stream_of(urls, classes=["n02115641"])))


def test_a_batch_is_a_function_of_its_number(urls):
    whole = list(StreamLoader(stream_of(urls, 2, shuffle=4, readers=4)))
    backwards = stream_of(urls, 2, shuffle=4, readers=4)
    loader = StreamLoader(backwards)
    for number in reversed(range(len(whole))):
        (key,) = loader._keys(0, range(number, number + 1))
        assert torch.equal(backwards[key].image, whole[number].image)


def test_an_epoch_left_early_goes_on(urls):
    whole, cut = (StreamLoader(stream_of(urls, shuffle=4)) for _ in range(2))
    taken = [number for _ in range(4) for number in seen(islice(cut, 4))]
    assert taken == [*seen(whole), *seen(whole), *seen(whole)][:64]


def test_a_fit_knows_its_steps(urls):
    from lightning.pytorch import LightningModule, Trainer

    class Task(LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.steps = 0

        def training_step(self, batch):
            self.steps += 1
            return self.weight.sum()

        def configure_optimizers(self):
            self.expected = self.trainer.estimated_stepping_batches
            return torch.optim.SGD([self.weight], 0.1)

    task = Task()
    trainer = Trainer(
        accelerator="cpu", max_epochs=2, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(task, StreamLoader(stream_of(urls)))
    assert task.expected == task.steps == 12
