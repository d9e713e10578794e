"""What `hieramp tokenize` encodes: every view of every image, shard by shard, and who does it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from lightning.pytorch import LightningDataModule

from hieramp_lit.classes import ClassList
from hieramp_lit.data.batches import ImageBatch, TokenizationBatch
from hieramp_lit.data.identity import Identified, identity_of
from hieramp_lit.data.loading import SampleKey, Samples, data_loader
from hieramp_lit.data.module import ImageDataModule
from hieramp_lit.data.tokens.layout import SPLITS, Split, TokenLayout, TokenShard
from hieramp_lit.shards.identity import classes_sha256


@runtime_checkable
class IdentifiedSamples(Samples[ImageBatch], Identified, Protocol):
    """Images that can say what decides them."""


class TokenizationPlan(LightningDataModule):
    """The images that `hieramp tokenize` encodes.

    View v of a training image is the crop that training from these images takes in epoch v, so that training on the
    cache is training on the images, for the first `views` epochs; then the views come again. Validation images have
    one view.

    Args:
        images: Data module of the images. Its `batch_size` is the number encoded at once on each device and its
            `num_workers` decode; neither decides the tokens, save ties that rounding decides. Its `seed` decides the
            crops: give the same seed to `TokenDataModule`.
        views: Random crops of each training image, at least 1.
        shard_size: Samples a shard, the unit of work: devices share shards, and a killed run repeats at most the shards
            it was working on. A shard stays in memory until it is written: 22 MB at 256² and 16384.

    Raises:
        ValueError: If a number is below 1, or the images cannot say what decides them, their class rows, or which of
            them are readable.
    """

    def __init__(self, images: ImageDataModule, views: int = 1, shard_size: int = 16384) -> None:
        super().__init__()
        if views < 1 or shard_size < 1:
            raise ValueError(f"data.views={views}, data.shard_size={shard_size}: give at least 1 of each.")
        if getattr(images, "label", "row") != "row":
            raise ValueError(
                "data.images.label='cls': tokens are kept with class rows, which the generator takes. Set `row`."
            )
        if not getattr(images, "all_known_readable", True):
            raise ValueError(
                "data.images.unreadable='skip' with data.images.check=False: a cache lists its images beforehand, and "
                "so must know which cannot be read. Set data.images.check: true."
            )
        self.images = images
        self.views = views
        self.shard_size = shard_size
        self.complete: Collection[int] = ()
        self.allow_zero_length_dataloader_with_multiple_devices = True
        self._samples: Mapping[Split, IdentifiedSamples] | None = None
        self._layout: TokenLayout | None = None

    @property
    def classes(self) -> ClassList:
        """Class list of the images.

        Raises:
            ValueError: If their data module has none.
        """
        classes = getattr(self.images, "classes", None)
        if not isinstance(classes, ClassList):
            raise ValueError(f"data.images: {type(self.images).__name__} has no class list; give another data module.")
        return classes

    @property
    def layout(self) -> TokenLayout:
        """Where which tokens go; known after `setup`."""
        if self._layout is None:
            raise RuntimeError("Call `setup` before asking for the layout; a Trainer does.")
        return self._layout

    def prepare_data(self) -> None:
        """Let the images' data module fetch what it needs, once a node."""
        self.images.prepare_data()

    def setup(self, stage: str) -> None:
        """List the images, once.

        Raises:
            ValueError: If they cannot say what decides them.
            UnreadableImageError: As their data module decides.
        """
        if self._samples is not None:
            return
        self.images.trainer = self.trainer
        self.images.setup("fit")
        samples: dict[Split, IdentifiedSamples] = {}
        for split, part in zip(SPLITS, (self.images.train_samples(), self.images.val_samples()), strict=True):
            if not isinstance(part, IdentifiedSamples):
                raise ValueError(
                    f"data.images: {type(self.images).__name__} cannot be cached: its images do not say what decides "
                    "them (a method `identity`)."
                )
            samples[split] = part
        self._layout = TokenLayout(len(samples["train"]), len(samples["val"]), self.views, self.shard_size)
        self._samples = samples

    def identity(self) -> dict[str, Any]:
        """What decides the images and their order in the cache, as plain JSON values."""
        return {
            "views": self.views,
            "shard_size": self.shard_size,
            "classes_sha256": classes_sha256(self.classes),
            **{split: identity_of(samples) for split, samples in self._listed.items()},
        }

    def image_size(self) -> int:
        """Side of the images in pixels, from the first one.

        Raises:
            UnreadableImageError: If that image cannot be read.
        """
        return int(self._listed["val"][[SampleKey(0, 0)]].image.shape[-1])

    def skip(self, complete: Collection[int]) -> None:
        """Leave out shards that are complete; the writer calls this before the loader is made."""
        self.complete = complete

    def predict_dataloader(self) -> "RemainingTokenShards":
        """What this rank still has to encode."""
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        done = frozenset(self.complete)
        remaining = [shard for shard in range(len(self.layout.shards)) if shard not in done]
        mine = remaining[rank::world_size]
        return RemainingTokenShards(self._listed, self.layout, mine, self.images.batch_size, self.images.num_workers)

    @property
    def _listed(self) -> Mapping[Split, IdentifiedSamples]:
        if self._samples is None:
            raise RuntimeError("Call `setup` before asking for images; a Trainer does.")
        return self._samples


class RemainingTokenShards:
    """The batches that one rank still has to encode; none crosses a shard.

    Its length is 1 at least: Lightning skips a loop of length zero together with its hooks, and a rank without work
    must still meet the others at the end.

    Args:
        samples: The images of each split.
        layout: All shards.
        shards: Those of this rank, ascending.
        batch_size: Images encoded at once.
        num_workers: Processes that decode; 0 decodes in this one.
    """

    def __init__(
        self,
        samples: Mapping[Split, IdentifiedSamples],
        layout: TokenLayout,
        shards: Sequence[int],
        batch_size: int,
        num_workers: int,
    ) -> None:
        self._samples = samples
        self._layout = layout
        self.shards = shards
        self._batch_size = batch_size
        self._num_workers = num_workers

    @property
    def num_images(self) -> int:
        """Images that this rank has to encode."""
        return sum(self._layout.shards[shard].samples for shard in self.shards)

    def __len__(self) -> int:
        """Batches, or 1 where there are none."""
        return max(1, sum(len(self._parts(split)) for split in SPLITS))

    def __iter__(self) -> Iterator[TokenizationBatch]:
        """All batches, shard by shard."""
        for split in SPLITS:
            parts = self._parts(split)
            if not len(parts):
                continue  # else worker processes would start for nothing
            loader = data_loader(self._samples[split], parts, self._num_workers)
            for (shard, start, _), batch in zip(parts.places(), loader, strict=True):
                yield TokenizationBatch(batch.image, batch.label, shard, start)

    def _parts(self, split: Split) -> "_Parts":
        return _Parts(self._layout, self.shards, split, self._batch_size)


class _Parts:
    """Keys of one split's batches, made as they are asked for: a cache can have millions."""

    def __init__(self, layout: TokenLayout, shards: Sequence[int], split: Split, batch_size: int) -> None:
        self._shards: list[tuple[int, TokenShard]] = [
            (number, layout.shards[number]) for number in shards if layout.shards[number].split == split
        ]
        self._batch_size = batch_size

    def places(self) -> Iterator[tuple[int, int, int]]:
        """Shard, place in the shard and number of images of every batch."""
        for number, shard in self._shards:
            for start in range(0, shard.samples, self._batch_size):
                yield number, start, min(self._batch_size, shard.samples - start)

    def __iter__(self) -> Iterator[list[SampleKey]]:
        at = dict(self._shards)
        for number, start, count in self.places():
            first = at[number].first + start
            yield [SampleKey(at[number].view, sample) for sample in range(first, first + count)]

    def __len__(self) -> int:
        return sum(-(-shard.samples // self._batch_size) for _, shard in self._shards)
