"""Where a token cache keeps which tokens: splits, views and shards, all by arithmetic.

A *view* of a training image is one of its random crops: view v is the crop that training from images takes in epoch v.
Shards hold samples of one view, so that an epoch reads its own view and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, get_args

Split = Literal["train", "val"]
SPLITS: tuple[Split, ...] = get_args(Split)


class TokenShard(NamedTuple):
    """One shard: consecutive samples of one view.

    Attributes:
        split: Training or validation samples.
        view: Random crop, counted from 0; validation samples have one view, the crop in the centre.
        number: Counted from 0 within the view.
        first: Index of the first sample in its split.
        samples: Number of samples.
    """

    split: Split
    view: int
    number: int
    first: int
    samples: int

    @property
    def name(self) -> str:
        """What its files start with: ``train-view00-000000``."""
        return f"{self.split}-view{self.view:02d}-{self.number:06d}"


@dataclass(frozen=True)
class TokenLayout:
    """The shards of a cache.

    Args:
        train: Training samples.
        val: Validation samples.
        views: Random crops of each training sample.
        shard_size: Samples a shard; the last one of a view may hold fewer.

    Raises:
        ValueError: If a number is below 1; the message names the configuration key.
    """

    train: int
    val: int
    views: int
    shard_size: int

    def __post_init__(self) -> None:
        """Check the numbers."""
        if any(type(number) is not int for number in (self.train, self.val, self.views, self.shard_size)):
            raise ValueError(f"Numbers of samples, views and samples a shard are integers, got {self}.")
        if self.views < 1 or self.shard_size < 1:
            raise ValueError(f"data.views={self.views}, data.shard_size={self.shard_size}: give at least 1 of each.")
        if self.train < 1 or self.val < 1:
            raise ValueError(f"data.images has {self.train} training and {self.val} validation images: give some.")

    def samples(self, split: Split) -> int:
        """Number of samples of a split."""
        return self.train if split == "train" else self.val

    def views_of(self, split: Split) -> int:
        """Number of views of a split."""
        return self.views if split == "train" else 1

    @property
    def num_shards(self) -> int:
        """Number of shards."""
        return sum(self.views_of(split) * -(-self.samples(split) // self.shard_size) for split in SPLITS)

    @cached_property
    def shards(self) -> Sequence[TokenShard]:
        """All shards: the training samples view by view, then the validation samples."""
        return [
            TokenShard(split, view, number, first, min(self.shard_size, self.samples(split) - first))
            for split in SPLITS
            for view in range(self.views_of(split))
            for number, first in enumerate(range(0, self.samples(split), self.shard_size))
        ]

    def locate(self, split: Split, view: int, sample: int) -> tuple[int, int]:
        """Index in `shards` and row there of a sample.

        Raises:
            IndexError: If the cache has no such sample or view.
        """
        if not (0 <= sample < self.samples(split) and 0 <= view < self.views_of(split)):
            raise IndexError(f"There is no sample {sample} of view {view} of {split!r} in {self}.")
        of_train = -(-self.train // self.shard_size)
        number, row = divmod(sample, self.shard_size)
        return (view if split == "train" else self.views) * of_train + number, row
