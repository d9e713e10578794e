"""Images in tar shards, webdataset's layout: of this machine or from anywhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from hieramp_lit.classes import Rows, load_classes
from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.data.images.crop import Filter
from hieramp_lit.data.images.source import ImageSamples
from hieramp_lit.data.images.source_data import Crops, SourceDataModule
from hieramp_lit.data.loading import PlacedLoader
from hieramp_lit.data.web.index import ShardSource, list_shards, open_shards
from hieramp_lit.data.web.labels import LabelMeaning
from hieramp_lit.data.web.shards import Fields, Shards, find_shards
from hieramp_lit.data.web.stream import Reading, ShardStream, StreamLoader


class WebDatasetDataModule(SourceDataModule):
    """Images in tar shards, e.g. timm's ``imagenet-1k-wds``: samples of ``KEY.jpg`` and ``KEY.cls``.

    There are two ways to read training shards. Uncompressed shards of this machine are *listed* once and then read from
    any place: every image once an epoch, in an order that is drawn anew, any part held out for validation, a fit
    resumed in mid-epoch at no cost, as with a folder of images. Anything else is a *stream*, read from beginning to
    end: shards in an order drawn anew, samples drawn from `shuffle` in memory, epochs of `epoch_samples`, which give
    each image once but for a few (`stream` says which); a fit resumed in mid-epoch goes on exactly, and reads the bytes
    of that epoch's first part once more.

    Either way batches are a function of (seed, epoch) and do not depend on `num_workers`, and all devices have equally
    many. Validation shards must be listed: each image is judged once.

    Args:
        train: Shards: paths with ``*`` or braces (``train-{0000..1023}.tar``), a folder, or anything that webdataset
            opens: ``https://…``, ``hf://datasets/…``, ``pipe:COMMAND``. One, or several in a list or with ``::``
            between. Where only validation images are wanted, name their shards here too.
        classes: Class list, see `classes.load_classes`: ``imagenet``, ``imagewoof``, …, a list or file of ImageNet's
            classes, a classes.json (which other classes need). Images of other classes of ImageNet are left out.
        val: Shards of this machine for validation; null holds out `val_fraction` of the training images, of each class
            in proportion.
        label_field: Field of the label: ``cls``, or another one that holds a number or a name; ``json:KEY`` is the
            value of KEY in the field json.
        label_numbers: What numbers in it count: `cls`, the classes of the list in its order, or `imagenet`, the 1000 of
            ImageNet-1K, as where ``imagewoof`` is taken out of its shards. WordNet ids and names say it themselves.
        image_field: Field of the image; null takes the one of a known kind (jpg, png, webp, …).
        stream: Whether to stream training shards; null streams what cannot be listed. `true` for shards on disks that
            are slow at reading here and there.
        epoch_samples: Images of one epoch of a stream, of all devices; null for listed shards, which are counted.
            ImageNet-1K has 1281167. A fraction of it makes short epochs, and short ways back to where a fit stopped.
        readers: Parts of a stream that each device reads at once; a multiple of `num_workers`.
        shuffle: Samples that each reader draws from; they are in memory: 8 readers × 1000 × 110 kB of ImageNet are 0.9
            GB. 1 keeps the order of the shards.
        index: File that keeps the list of listed training shards, so that the next run need not look through them; null
            keeps none. Looking through ImageNet-1K takes a minute on a fast disk. For validation ``.val`` is appended.
        image_size: Side of the square images in pixels; the tokenizer's.
        val_fraction: Share of the training images to hold out where `val` is null, above 0 and below 1.
        short_side: Short side before the crop: `var` (1.125 × `image_size`, the reference's tuning), `evaluation`
            (``image_size // 7 · 8``, the students' validation; resized bilinearly as there, else by Lanczos) or a
            number of pixels.
        filter: Kernel that resizes, with antialias: `lanczos`, `bicubic` or `bilinear`; null as `short_side` says.
        flip: Mirror every other training image; the reference's tuning does not.
        label: `row`, what generators take (row of the label embedding), or `cls`, what students learn (0, 1, …).
        unreadable: `error` stops with the names of the images that cannot be read; `skip` does without them and warns
            with their number and names. Met in training, one gives its place to another image, drawn from (seed, epoch,
            place): of its class, or in a stream of its batch; in validation it is left out.
        check: Decode every listed image once before training, so that unreadable ones are known; devices share the
            work. All of ImageNet-1K takes half an hour of one core, and as long as the disk needs for 140 GB.
        batch_size: Images per batch and device.
        num_workers: Processes that decode, per device; 0 decodes in the main process.
        seed: Decides order, crops and the held-out images.
        class_rows: Rows of the label embedding: `imagenet` gives ImageNet's classes theirs, `own` counts 0, 1, 2, …,
            for generators trained from scratch; see `classes`.

    Raises:
        ValueError: If a number or word is out of range, a shard is missing, or a stream has no length or no validation
            shards.
        ShardError: If a shard is damaged, of another layout, or has a label that is no class.
        UnreadableImageError: If images cannot be read and `unreadable` is `error`.
    """

    def __init__(
        self,
        train: str | list[str],
        classes: str | list[str | int],
        val: str | list[str] | None = None,
        label_field: str = "cls",
        label_numbers: Literal["cls", "imagenet"] = "cls",
        image_field: str | None = None,
        stream: bool | None = None,
        epoch_samples: int | None = None,
        readers: int = 8,
        shuffle: int = 1000,
        index: str | None = None,
        image_size: int = 256,
        val_fraction: float = 0.1,
        short_side: Literal["var", "evaluation"] | int = "var",
        filter: Filter | None = None,
        flip: bool = False,
        label: Literal["row", "cls"] = "row",
        unreadable: Literal["error", "skip"] = "error",
        check: bool = False,
        batch_size: int = 64,
        num_workers: int = 4,
        seed: int = 0,
        class_rows: Rows = "imagenet",
    ) -> None:
        crops = Crops.of(image_size, short_side, flip, seed, filter)
        known = load_classes(classes, class_rows)
        super().__init__(known, crops, label, unreadable, check, val_fraction, batch_size, num_workers, seed)
        self._shards = find_shards(train, "data.train")
        self._val_shards = find_shards(val, "data.val") if val is not None else None
        self._meaning = LabelMeaning(known, label, label_numbers)
        self._fields = Fields(label_field, image_field)
        self._index = Path(index).expanduser() if index is not None else None
        self._reading = Reading(readers, shuffle, seed)
        self.streams = not self._shards.indexable if stream is None else stream
        self._epoch_samples = epoch_samples
        self._check_way(stream)

    def setup(self, stage: str) -> None:
        """List the shards that the stage needs, check them, and split them, once; a stream is not looked at."""
        if not self.streams:
            super().setup(stage)
        elif self._val is None and (val := self.open_val()) is not None:
            self._val = self._readable(val)

    def open_train(self) -> ShardSource:
        """List the training shards."""
        return self._open(self._shards, "data.train", self._index)

    def open_val(self) -> ShardSource | None:
        """List the validation shards."""
        if self._val_shards is None:
            return None
        kept = self._index.with_name(f"{self._index.name}.val") if self._index is not None else None
        return self._open(self._val_shards, "data.val", kept)

    def train_samples(self) -> ImageSamples:
        """Training images, cropped at random.

        Raises:
            ValueError: If they are a stream, whose images have no numbers.
        """
        if self.streams:
            raise ValueError(
                "data.train is a stream, whose images cannot be listed. Copy the shards to this machine, uncompressed, "
                "and leave data.stream null."
            )
        return super().train_samples()

    def training_loader(self, rank: int, world_size: int, accumulation: int) -> PlacedLoader[ImageBatch]:
        """The training batches of one process, from the beginning; see `SampledDataModule.training_loader`."""
        if not self.streams:
            return super().training_loader(rank, world_size, accumulation)
        reading = self._reading._replace(rank=rank, world_size=world_size)
        if len(self._shards.urls) < reading.readers * world_size:
            rank_zero_warn(
                f"data.train has {len(self._shards.urls)} shards for {world_size} devices with data.readers="
                f"{reading.readers} each: several read the same shard, each for a part of its images, and these come "
                "closer together. Lower data.readers, or make more shards."
            )
        samples = ShardStream(
            self._shards.urls,
            self._fields,
            self._meaning,
            self.crops.train,
            self.batch_size,
            self._epoch_samples or 0,
            reading,
            self.unreadable == "skip",
        )
        return StreamLoader(samples, self.num_workers, accumulation)

    def _open(self, shards: Shards, key: str, kept: Path | None) -> ShardSource:
        rank_zero_info(f"{key}: looking through {len(shards.urls)} shards …")
        index = list_shards(shards.paths, self._fields, kept, write=self._rank == 0)
        source, left_out = open_shards(shards.paths, index, self._meaning)
        if left_out:
            rank_zero_info(f"{key}: {len(source)} images are taken, {left_out} of other classes of ImageNet left out.")
        every = {int(getattr(entry, self.label)) for entry in self.classes.entries}
        missing = self.names_of(every - set(source.labels.tolist()))
        if missing:
            rank_zero_warn(
                f"{key}: no image is of {len(missing)} of the {len(self.classes)} classes: {missing[:12]}. "
                + ("Nothing is learnt of them." if key == "data.train" else "What is measured says nothing of them.")
            )
        return source

    def _check_way(self, stream: bool | None) -> None:
        """Refuse what neither way to read can do."""
        if self._val_shards is not None and not self._val_shards.indexable:
            raise ValueError(
                f"data.val: {_first(self._val_shards.urls)} must be uncompressed shards of this machine: each image is "
                "judged once, by one device. Copy them."
            )
        if stream is False and not self._shards.indexable:
            raise ValueError(
                f"data.stream=False: {_first(self._shards.urls)} cannot be listed, only uncompressed shards of this "
                "machine can. Copy them, or leave data.stream null."
            )
        if not self.streams:
            if self._epoch_samples is not None:
                raise ValueError("data.epoch_samples is for streams, listed shards are counted. Leave it null.")
            return
        if self._val_shards is None:
            raise ValueError("data.val=null: no image of a stream can be held out. Give shards for validation.")
        if self._epoch_samples is None or self._epoch_samples < 1:
            raise ValueError(
                f"data.epoch_samples={self._epoch_samples}: a stream does not know its length. Give the number of "
                "training images (1281167 for ImageNet-1K); epochs and learning rates follow from it."
            )
        if self._reading.readers < 1 or self._reading.shuffle < 1:
            raise ValueError(
                f"data.readers={self._reading.readers}, data.shuffle={self._reading.shuffle}: give at least 1 of each."
            )
        if self.num_workers and self._reading.readers % self.num_workers:
            raise ValueError(
                f"data.readers={self._reading.readers} is no multiple of data.num_workers={self.num_workers}: each "
                "worker process needs readers of its own."
            )


def _first(urls: Sequence[str]) -> str:
    return urls[0] + (f" (and {len(urls) - 1} more)" if len(urls) > 1 else "")
