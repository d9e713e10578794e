"""The generation plan: which images a set has, in which shards, and who makes them.

Everything is arithmetic on the position of an image in the set, ``cls * images_per_class + index``; nothing is listed,
so plans of millions of images cost nothing. The plan knows neither devices nor batch sizes: those only say how the
work is walked through.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities import rank_zero_info

from hieramp_lit.classes import ClassList, Rows, check_words, load_classes
from hieramp_lit.data.batches import PlanBatch
from hieramp_lit.generate.base import FitsMemory


@dataclass(frozen=True)
class ShardPlan:
    """Classes × images per class, class by class, cut into shards.

    Args:
        rows: Class rows in `cls` order.
        images_per_class: IPC, at least 1.
        shard_size: Samples per shard, at least 1; the last shard may hold fewer.
        seed: The set's seed, ``0 <= seed < 2**63``.

    Raises:
        ValueError: If a number is out of range; the message names the configuration key.
    """

    rows: tuple[int, ...]
    images_per_class: int
    shard_size: int
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse plans that cannot be carried out."""
        for name, value in (("images_per_class", self.images_per_class), ("shard_size", self.shard_size)):
            if value < 1:
                raise ValueError(f"data.{name}={value}: give at least 1.")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"data.seed={self.seed}: give a number from 0 to 2**63 - 1.")
        if not self.rows:
            raise ValueError("data.classes: the plan has no class; name at least one.")

    def __len__(self) -> int:
        """Number of images."""
        return len(self.rows) * self.images_per_class

    @property
    def num_shards(self) -> int:
        """Number of shards."""
        return -(-len(self) // self.shard_size)

    def positions(self, shard: int) -> range:
        """Positions of a shard's images in the set.

        Raises:
            IndexError: If the plan has no such shard.
        """
        if not 0 <= shard < self.num_shards:
            raise IndexError(f"Shard {shard} is not in 0…{self.num_shards - 1}.")
        start = shard * self.shard_size
        return range(start, min(start + self.shard_size, len(self)))

    def locate(self, position: int) -> tuple[int, int, int]:
        """(cls, class row, index within the class) of the image at a position of the set."""
        cls, index = divmod(position, self.images_per_class)
        return cls, self.rows[cls], index

    def batches(self, shard: int, batch_size: int) -> Iterator[PlanBatch]:
        """Micro-batches of one shard, all of `batch_size` but the last, which may be smaller."""
        positions = self.positions(shard)
        for start in range(0, len(positions), batch_size):
            part = positions[start : start + batch_size]
            located = torch.tensor([self.locate(position) for position in part])
            yield PlanBatch(
                cls=located[:, 0],
                row=located[:, 1],
                image_index=located[:, 2],
                seed=torch.full((len(part),), self.seed),
                shard=torch.full((len(part),), shard),
                position=torch.arange(start, start + len(part)),
            )


class RemainingShards:
    """The micro-batches that one rank still has to make.

    It has no length on purpose: Lightning skips a loop of length zero together with its hooks, and a rank without work
    must still meet the others at the end of the set.

    Args:
        plan: The whole set.
        batch_size: Images made at once.
        complete: Shards that need not be made again; the same on every rank.
        rank: This process.
        world_size: Number of processes; each takes every ``world_size``-th of the remaining shards.
    """

    def __init__(
        self, plan: ShardPlan, batch_size: int, complete: Collection[int] = (), rank: int = 0, world_size: int = 1
    ) -> None:
        self.plan = plan
        self.batch_size = batch_size
        done = frozenset(complete)
        remaining = [shard for shard in range(plan.num_shards) if shard not in done]
        self.shards: Sequence[int] = remaining[rank::world_size]

    @property
    def num_images(self) -> int:
        """Images that this rank has to make."""
        return sum(len(self.plan.positions(shard)) for shard in self.shards)

    def __iter__(self) -> Iterator[PlanBatch]:
        """All micro-batches, shard by shard."""
        for shard in self.shards:
            yield from self.plan.batches(shard, self.batch_size)


class GenerationPlan(LightningDataModule):
    """The images that ``hieramp predict`` makes.

    Args:
        classes: Class list, see `classes.load_classes`: ``digits``, ``imagenet``, ``imagewoof``, …, a list or file of
            ImageNet's classes, a classes.json, or a folder with one sub-folder per class. For some classes of a folder
            or of CIFAR name all here and them in `class_subset`.
        images_per_class: Images per class (IPC).
        shard_size: Images per shard, the unit of work: devices share shards, and a killed run repeats at most the
            shards it was working on. Part of the set's identity.
        seed: Which images: (seed, class row, index) decides each one's random stream. Part of the set's identity.
        batch_size: Images made at once on each device. `auto` is the largest power of two that fits into the device's
            free memory with a margin. Not part of the set's identity.
        class_subset: Make only these classes, by class row (number) or by wnid or name (text), in the order of
            `classes`. The set then has a class list of its own (cls 0, 1, …) and every class keeps its row, so its
            images are those of the full set. Null makes all.
        class_rows: Rows of the label embedding: `imagenet` gives ImageNet's classes theirs, `own` counts 0, 1, 2, …,
            for generators trained from scratch; see `classes`. As in the generator's tuning.

    Raises:
        ValueError: If a number is out of range or a class is unknown; the message names the configuration key.
    """

    def __init__(
        self,
        classes: str | list[str | int],
        images_per_class: int = 10,
        shard_size: int = 250,
        seed: int = 0,
        batch_size: int | Literal["auto"] = 16,
        class_subset: list[int | str] | None = None,
        class_rows: Rows = "imagenet",
    ) -> None:
        super().__init__()
        if batch_size != "auto" and batch_size < 1:
            raise ValueError(f"data.batch_size={batch_size}: give at least 1, or auto.")
        every = load_classes(classes, class_rows)
        self.classes = every if class_subset is None else subset_of(every, class_subset)
        self.plan = ShardPlan(tuple(self.classes.rows), images_per_class, shard_size, seed)
        self.batch_size: int | Literal["auto"] = batch_size
        self.complete: Collection[int] = ()
        self.allow_zero_length_dataloader_with_multiple_devices = True

    def skip(self, complete: Collection[int]) -> None:
        """Leave out shards that are complete; the shard writer calls this before the loader is made."""
        self.complete = complete

    def predict_dataloader(self) -> RemainingShards:
        """What this rank still has to make.

        Raises:
            ValueError: If `batch_size` is `auto` and the generator cannot tell what fits, or nothing does.
        """
        trainer = self.trainer
        rank, world_size = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        batch_size = self._fitting_batch_size() if self.batch_size == "auto" else self.batch_size
        return RemainingShards(self.plan, batch_size, self.complete, rank, world_size)

    def _fitting_batch_size(self) -> int:
        generator = getattr(self.trainer and self.trainer.lightning_module, "generator", None)
        if not isinstance(generator, FitsMemory):
            raise ValueError(
                f"data.batch_size='auto': {type(generator).__name__} cannot tell how many images fit. Give a number."
            )
        batch_size = generator.fitting_batch_size(most=min(self.plan.shard_size, len(self.plan)))
        rank_zero_info(f"data.batch_size=auto: {batch_size} images at once.")
        return batch_size


def subset_of(classes: ClassList, subset: Sequence[int | str]) -> ClassList:
    """Some classes of a list, counted anew from cls 0, each with its class row.

    Args:
        classes: All classes.
        subset: Class rows (numbers), wnids or names (text).

    Raises:
        ValueError: If the subset is empty, or one of its entries is unknown or fits several classes.
    """
    check_words(subset, "data.class_subset")
    known: dict[int | str, set[int]] = {}
    for entry in classes.entries:
        for word in (entry.row, entry.wnid, entry.name):
            if word is not None:
                known.setdefault(word, set()).add(entry.cls)
    chosen = set()
    for wanted in subset:
        found = known.get(wanted, set())
        if len(found) != 1:
            rows = ", ".join(map(str, classes.rows[:12])) + (", …" if len(classes) > 12 else "")
            raise ValueError(
                f"data.class_subset: {wanted!r} fits {len(found)} classes, it must fit one. Give class rows (numbers; "
                f"here {rows}), or wnids or names as in the class list (text)."
            )
        chosen |= found
    if not chosen:
        raise ValueError("data.class_subset is empty; name classes, or give null for all.")
    return ClassList(tuple(classes.entries[old]._replace(cls=new) for new, old in enumerate(sorted(chosen))))
