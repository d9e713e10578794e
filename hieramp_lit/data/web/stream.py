"""Shards that are read from beginning to end, from anywhere that webdataset can open.

An epoch of one device is dealt to a fixed number of readers, batch *i* to reader *i* mod `readers`. Each reader walks
through shards of its own, in an order drawn from (seed, epoch): all shards are dealt to the readers of all devices (see
`dealing`), then all anew, so that no reader ever runs dry, and every device has the same number of batches. A reader
keeps some samples in memory and gives one of them at random; when it has taken its share of the epoch, it empties its
memory. So a batch is a function of (seed, epoch, its number, devices), whichever worker process makes it. A fit that is
resumed in mid-epoch passes over what was seen: it reads the bytes and decodes nothing.

An epoch as long as the data gives each sample once where shards are of one size and batches come out even. Else some
are missed and others come twice, other ones in each epoch: of each reader, what its shards hold beyond its share (or
lack), and less than one batch. In an epoch shorter than the data nothing comes twice, but a sample near the end of its
shard comes less often than one near the beginning.

Of webdataset this takes what it opens and how it names; its own pipeline cannot go on from a place, draws shards with
replacement where it must not end, and gives other batches with other numbers of workers.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

import torch
from lightning.pytorch.utilities import rank_zero_info

from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.data.images.crop import ResizeCrop
from hieramp_lit.data.images.reading import UnreadableImageError, read_image
from hieramp_lit.data.images.source import MOST_TRIES, planes
from hieramp_lit.data.images.unreadable import REMEDY, Fault, Loaded
from hieramp_lit.data.loading import PlacedLoader, SampleKey, epoch_length
from hieramp_lit.data.web.dealing import deal
from hieramp_lit.data.web.labels import LabelMeaning
from hieramp_lit.data.web.shards import (
    DAMAGE,
    MOST_IMAGE_BYTES,
    MOST_LABEL_BYTES,
    Fields,
    ShardError,
    content_of,
    samples_of,
)
from hieramp_lit.seeds import stream


class Encoded(NamedTuple):
    """An image as it is stored.

    Attributes:
        name: Shard and key.
        content: The file.
        label: Row or cls.
    """

    name: str
    content: bytes
    label: int


class Reading(NamedTuple):
    """How shards are read.

    Attributes:
        readers: Readers of each device.
        shuffle: Samples that each reader keeps in memory to draw from; 1 keeps their order.
        seed: Of all draws.
        rank: This process.
        world_size: Number of processes.
    """

    readers: int = 8
    shuffle: int = 1000
    seed: int = 0
    rank: int = 0
    world_size: int = 1


class ShardStream:
    """The batches of one device, out of shards.

    Args:
        urls: The shards.
        fields: Image and label of a sample.
        meaning: Class of a label.
        transform: Makes equal squares of the images.
        batch_size: Images of a batch.
        epoch_samples: Images of an epoch, of all devices.
        reading: How the shards are read.
        skip: Whether an image that cannot be read gives its place to another one of its batch, drawn from (seed, epoch,
            its place); otherwise it stops the run.
    """

    def __init__(
        self,
        urls: Sequence[str],
        fields: Fields,
        meaning: LabelMeaning,
        transform: ResizeCrop,
        batch_size: int,
        epoch_samples: int,
        reading: Reading,
        skip: bool = False,
    ) -> None:
        self.epoch_samples = epoch_samples
        self.batch_size = batch_size
        self.reading = reading
        self._urls = tuple(urls)
        self._fields = fields
        self._meaning = meaning
        self._transform = transform
        self._skip = skip
        self._walks: dict[int, _Walk] = {}

    def __len__(self) -> int:
        """Images of an epoch, of all devices."""
        return self.epoch_samples

    def __getitem__(self, keys: Sequence[SampleKey]) -> ImageBatch:
        """See `load`."""
        return self.load(keys).whole()

    def load(self, keys: Sequence[SampleKey]) -> Loaded[ImageBatch]:
        """One batch and what could not be read of it.

        Args:
            keys: One key, whose `sample` is the number of the batch in the epoch.

        Raises:
            UnreadableImageError: If an image cannot be read and that is an error, or none of the batch can.
            ShardError: If a shard cannot be opened, is damaged or of another layout.
        """
        ((epoch, number),) = keys
        reader, place = number % self.reading.readers, number // self.reading.readers
        walk = self._walks.get(reader)
        if walk is None or walk.epoch != epoch or walk.batches > place:
            walk = self._walks[reader] = _Walk(epoch, self._shuffled(epoch, reader))
        while walk.batches < place:  # after a resume
            walk.take(self.batch_size)
        first = (number * self.reading.world_size + self.reading.rank) * self.batch_size
        return self._decoded(walk.take(self.batch_size), epoch, first)

    def identity(self) -> dict[str, Any]:
        """What decides the batches: names of the shards, fields, crops, readers and devices."""
        names = [url.rpartition("/")[2] for url in self._urls]
        listed = hashlib.sha256(json.dumps([names, self._fields.label, self._fields.image]).encode())
        way = self.reading._asdict()
        return {
            "images": {"count": self.epoch_samples, "sha256": listed.hexdigest()},
            "crop": self._transform.identity(),
            "stream": {name: way[name] for name in ("readers", "shuffle", "world_size")},
        }

    def _decoded(self, batch: Sequence[Encoded], epoch: int, first: int) -> Loaded[ImageBatch]:
        squares: list[torch.Tensor] = []
        labels: list[int] = []
        faults: list[Fault] = []
        for i in range(len(batch)):
            key = SampleKey(epoch, first + i)
            for taken in self._candidates(batch, i, key):
                try:
                    image = read_image(io.BytesIO(taken.content), taken.name)
                except UnreadableImageError as error:
                    if not self._skip:
                        raise UnreadableImageError(f"Cannot read an image: {error}. {REMEDY}") from error
                    faults.append(Fault(taken.name, str(error)))
                    continue
                squares.append(torch.from_numpy(planes(self._transform(image, key))))
                labels.append(taken.label)
                break
            else:
                raise UnreadableImageError(
                    f"Of a batch of {len(batch)} images, {MOST_TRIES + 1} that were tried in turn cannot be read, the "
                    f"last one: {faults[-1].reason}. Repair the shards."
                )
        return Loaded(ImageBatch(torch.stack(squares), torch.tensor(labels)), faults)

    def _candidates(self, batch: Sequence[Encoded], i: int, key: SampleKey) -> Iterator[Encoded]:
        yield batch[i]
        draws = stream("replacement", self._transform.seed, *key)
        for other in torch.randint(len(batch), (MOST_TRIES,), generator=draws).tolist():
            yield batch[other]

    def _shuffled(self, epoch: int, reader: int) -> Iterator[Encoded]:
        """Samples of a reader in one epoch, one of `shuffle` that are in memory at a time."""
        draws = stream("shuffle", self.reading.seed, epoch, self._number(reader))
        kept: list[Encoded] = []
        for sample in islice(self._in_order(epoch, reader), self._share(reader)):
            if len(kept) < self.reading.shuffle:
                kept.append(sample)
                continue
            place = int(torch.randint(len(kept), (1,), generator=draws))
            yield kept[place]
            kept[place] = sample
        for place in torch.randperm(len(kept), generator=draws).tolist():
            yield kept[place]

    def _share(self, reader: int) -> int:
        """Samples that a reader takes in an epoch: an equal part of it, and no fewer than its batches have."""
        way = self.reading
        batches = len(range(reader, self.epoch_samples // (self.batch_size * way.world_size), way.readers))
        return max(-(-self.epoch_samples // (way.readers * way.world_size)), batches * self.batch_size)

    def _in_order(self, epoch: int, reader: int) -> Iterator[Encoded]:
        """The samples of a reader's parts of shards; without end."""
        way, of_no_class = self.reading, 0
        for part in deal(len(self._urls), self._number(reader), way.readers * way.world_size, way.seed, epoch):
            url, found = self._urls[part.shard], False
            for place, sample in enumerate(self._read(url)):
                found = True
                if part.takes(place):
                    yield sample
            of_no_class = 0 if found else of_no_class + 1
            if of_no_class >= 2 * len(self._urls):
                raise ShardError(
                    f"data.train: {of_no_class} shards in a row, {url} last, had no image of data.classes."
                )

    def _read(self, url: str) -> Iterator[Encoded]:
        """The samples of one shard whose classes are taken."""

        def take(field: str, info: tarfile.TarInfo) -> bytes:
            if not self._fields.may_be_needed(field):
                return b""
            most = MOST_LABEL_BYTES if field == self._fields.label_field else MOST_IMAGE_BYTES
            return content_of(tar, info, url, most)

        with _opened(url) as tar:
            for key, taken in samples_of(tar, url, take):
                name = f"{url}/{key}"
                field = self._fields.image_field(name, list(taken))
                label = self._meaning(self._fields.text(taken[self._fields.label_field], name), name)
                if label is not None:
                    yield Encoded(name, taken[field], label)

    def _number(self, reader: int) -> int:
        return reader * self.reading.world_size + self.reading.rank


class StreamLoader(PlacedLoader[ImageBatch]):
    """Batches of a `ShardStream`, see `PlacedLoader`.

    Args:
        samples: The batches of this device.
        num_workers: Processes that read ahead; 0 reads in this one. The batches do not depend on it.
        accumulation: Batches of each device for one optimizer step.

    Raises:
        ValueError: If an epoch has fewer samples than one optimizer step takes.
    """

    def __init__(self, samples: ShardStream, num_workers: int = 0, accumulation: int = 1) -> None:
        way = samples.reading
        length = epoch_length(len(samples), samples.batch_size, way.world_size, accumulation)
        super().__init__(samples, length, way.rank, way.world_size, num_workers)
        self._stream = samples

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a place, see `PlacedLoader`; says what it costs."""
        super().load_state_dict(state)
        if self._batch:
            rank_zero_info(
                f"data.train is a stream: {self._batch} batches of epoch {self._epoch} that were seen are passed over "
                "on each device. Their bytes are read once more, nothing is decoded."
            )

    def last_samples(self) -> list[int]:
        """None: the samples of a stream have no numbers."""
        return []

    def _layout(self) -> dict[str, int]:
        way = self._stream.reading
        return {
            "num_samples": len(self._stream),
            "global_batch_size": self._stream.batch_size * way.world_size,
            "seed": way.seed,
        }

    def _keys(self, epoch: int, batches: range) -> Iterator[list[SampleKey]]:
        return ([SampleKey(epoch, batch)] for batch in batches)


class _Walk:
    """How far one reader has come in an epoch.

    Args:
        epoch: The epoch.
        samples: Its samples.
    """

    def __init__(self, epoch: int, samples: Iterator[Encoded]) -> None:
        self.epoch = epoch
        self.batches = 0
        self._samples = samples

    def take(self, count: int) -> list[Encoded]:
        """The next batch."""
        self.batches += 1
        return [next(self._samples) for _ in range(count)]


@contextmanager
def _opened(url: str) -> Iterator[tarfile.TarFile]:
    """A shard as a tar stream; after its end, a command that failed is an error."""
    from webdataset.gopen import gopen  # here: it is needed by few

    file = None
    try:
        file = gopen(url)
        tar = tarfile.open(fileobj=file, mode="r|*")  # noqa: SIM115 # closed below
    except DAMAGE as error:
        raise ShardError(
            f"{url} cannot be opened: {_failure_of(file) or error}. Where webdataset has no way to a place, give a "
            "command: pipe:aws s3 cp s3://bucket/shard.tar -"
        ) from error
    whole = False
    try:
        yield tar
        while file.read(2**20):  # what follows the end mark, or the command that sends it fails
            pass
        whole = True
    except OSError as error:
        raise ShardError(f"{url} was not sent to its end: {error}") from error
    finally:
        tar.close()
        failure = _failure_of(file)
    if whole and failure is not None:
        raise ShardError(f"{url} was not sent to its end: {failure}")


def _failure_of(file: Any) -> OSError | None:
    """Close what sends a shard; why it failed, if it did."""
    try:
        if file is not None:
            file.close()
    except OSError as error:
        return error
    return None
