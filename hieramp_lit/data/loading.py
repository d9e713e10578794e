"""Loaders whose batches are a function of (seed, epoch) and of nothing else.

They shard over ranks by themselves, and a fit that was killed in mid-epoch goes on with the batches it had not seen.
Lightning asks any loader with ``state_dict`` and ``load_state_dict`` for its place when it writes a checkpoint; these
loaders know their length, so that it fetches no batch ahead and the place is exact. It gives the place back too late,
though, where the number of steps was asked for before (``Trainer.estimated_stepping_batches``, as schedules do);
`SampledDataModule` therefore keeps the place as well.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from hieramp_lit.allocator import give_back_freed_memory
from hieramp_lit.data.identity import check_same_samples, identity_of
from hieramp_lit.data.images.unreadable import FaultLog, Loaded, Reporting
from hieramp_lit.seeds import stream

Batch = TypeVar("Batch")
BatchOut = TypeVar("BatchOut", covariant=True)


class SampleKey(NamedTuple):
    """Names one use of one sample: all its random augmentation is a function of this and the seed.

    Attributes:
        epoch: Pass over the data, from 0.
        sample: Index of the sample, from 0.
    """

    epoch: int
    sample: int


class Samples(Protocol[BatchOut]):
    """A map-style source of batches."""

    def __len__(self) -> int:
        """Number of samples."""

    def __getitem__(self, keys: Sequence[SampleKey]) -> BatchOut:
        """The batch of these samples, in this order."""


class PlacedLoader(ABC, Generic[Batch]):
    """An endless stream of batches, walked in pieces; the place in it can be saved and restored.

    One iteration gives ``len(loader)`` batches from the current place on: a whole epoch, unless the last iteration was
    left early. The loader counts epochs itself and does not hear the trainer's number (``set_epoch``): that counts one
    too many when a fit with ``max_steps`` is resumed from the end of an epoch, and starts over where
    ``limit_train_batches`` cuts epochs short.

    With the last batch of an epoch it warns of the images that could not be read, see `FaultLog`.

    Args:
        samples: Where batches come from.
        length: Batches of one epoch on this rank.
        rank: This process.
        world_size: Number of processes.
        num_workers: Processes that load ahead; 0 loads in this one.
    """

    def __init__(self, samples: Samples[Batch], length: int, rank: int, world_size: int, num_workers: int) -> None:
        self._samples = samples
        self._length = length
        self._rank = rank
        self._world_size = world_size
        self._epoch = 0
        self._batch = 0
        self._faults = FaultLog("Others took their place.", rank, world_size)
        self._remaining = _KeyBatches()
        self._loader = data_loader(_WithFaults(samples), self._remaining, num_workers)

    def __len__(self) -> int:
        """Batches of one whole epoch on this rank."""
        return self._length

    def __iter__(self) -> Iterator[Batch]:
        """As many batches as an epoch has, from the current place on."""
        ahead = self._keys(self._epoch, range(self._batch, len(self)))
        self._remaining.batches = chain(ahead, self._keys(self._epoch + 1, range(self._batch)))
        for loaded in self._loader:
            self._faults.add(loaded.faults)
            self._epoch, self._batch = self._following()
            if self._batch == 0:
                self._faults.report(f"epoch {self._epoch - 1}")
            yield loaded.filled()

    def state_dict(self) -> dict[str, Any]:
        """The place, and what the batches from there on depend on."""
        return {"epoch": self._epoch, "batch": self._batch, "samples": self._identity, **self._layout()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a place.

        Raises:
            ValueError: If the place is in mid-epoch, and the batches of this loader are not those of the one whose
                place was saved: another size or order, or other samples.
        """
        check_layout(state, self._layout())
        if state["epoch"] or state["batch"]:
            check_same_samples(state.get("samples"), self._identity, mid_epoch=bool(state["batch"]))
        self._epoch, self._batch = int(state["epoch"]), int(state["batch"])

    @abstractmethod
    def last_samples(self) -> list[int]:
        """Samples of the batch given last, for messages; none before the first, or where they have no number."""

    @abstractmethod
    def _keys(self, epoch: int, batches: range) -> Iterator[list[SampleKey]]:
        """Keys of some of the batches of an epoch, made as they are asked for."""

    @abstractmethod
    def _layout(self) -> dict[str, int]:
        """What the batches depend on, beside the samples."""

    @cached_property
    def _identity(self) -> dict[str, Any] | None:
        # when it is first asked for: with a million files it takes seconds
        return identity_of(self._samples)

    def _following(self) -> tuple[int, int]:
        return (self._epoch, self._batch + 1) if self._batch + 1 < len(self) else (self._epoch + 1, 0)


class TrainLoader(PlacedLoader[Batch]):
    """Shuffled batches of numbered samples, see `PlacedLoader`.

    Each epoch is a permutation drawn from (seed, epoch), cut into global batches of ``batch_size × world_size``; each
    rank takes its part of each. The last, incomplete optimizer step, of `accumulation` global batches, is left out:
    other samples in each epoch. So epochs are equally long however a step's images are split over ranks and batches.

    Args:
        samples: Where batches come from.
        batch_size: Samples per batch and rank.
        seed: Decides the order of the samples.
        rank: This process.
        world_size: Number of processes.
        num_workers: Processes that load ahead; 0 loads in this one. The batches do not depend on it.
        accumulation: Batches of each rank for one optimizer step.

    Raises:
        ValueError: If there are fewer samples than one optimizer step takes.
    """

    def __init__(
        self,
        samples: Samples[Batch],
        batch_size: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        num_workers: int = 0,
        accumulation: int = 1,
    ) -> None:
        check_batch_size(batch_size, num_workers)
        length = epoch_length(len(samples), batch_size, world_size, accumulation)
        super().__init__(samples, length, rank, world_size, num_workers)
        self._num_samples = len(samples)
        self._batch_size = batch_size
        self._seed = seed

    def last_samples(self) -> list[int]:
        """Samples of the batch that was given last, for messages; none before the first."""
        if self._epoch == 0 and self._batch == 0:
            return []
        epoch, batch = (self._epoch, self._batch - 1) if self._batch else (self._epoch - 1, len(self) - 1)
        return [key.sample for key in next(self._keys(epoch, range(batch, batch + 1)))]

    def _layout(self) -> dict[str, int]:
        return {
            "num_samples": self._num_samples,
            "global_batch_size": self._batch_size * self._world_size,
            "seed": self._seed,
        }

    def _keys(self, epoch: int, batches: range) -> Iterator[list[SampleKey]]:
        order = torch.randperm(self._num_samples, generator=stream("order", self._seed, epoch))
        used = order[: len(self) * self._batch_size * self._world_size]
        mine = used.view(len(self), self._world_size, self._batch_size)[:, self._rank]
        for batch in batches:
            yield [SampleKey(epoch, sample) for sample in mine[batch].tolist()]


class EvaluationLoader(Generic[Batch]):
    """Every sample once, in order, dealt out to the ranks; the last batches may be smaller.

    With its last batch it warns of the images that could not be read, see `FaultLog`; a batch of nothing else is left
    out.

    Args:
        samples: Where batches come from.
        batch_size: Samples per batch and rank.
        rank: This process.
        world_size: Number of processes.
        num_workers: Processes that load ahead; 0 loads in this one.

    Raises:
        ValueError: If there are fewer samples than processes.
    """

    def __init__(
        self, samples: Samples[Batch], batch_size: int, rank: int = 0, world_size: int = 1, num_workers: int = 0
    ) -> None:
        check_batch_size(batch_size, num_workers)
        if len(samples) < world_size:
            raise ValueError(
                f"There are {len(samples)} images to evaluate for {world_size} devices: each needs one at least. "
                "Use fewer `trainer.devices`."
            )
        mine = [SampleKey(0, sample) for sample in range(rank, len(samples), world_size)]
        batches = [mine[i : i + batch_size] for i in range(0, len(mine), batch_size)]
        self._length = len(batches)
        self._faults = FaultLog("They are left out.", rank, world_size)
        self._loader = data_loader(_WithFaults(samples), _KeyBatches(batches), num_workers)

    def __len__(self) -> int:
        """Batches on this rank."""
        return self._length

    def __iter__(self) -> Iterator[Batch]:
        """All batches, from the first.

        Raises:
            RuntimeError: If no image of this process can be read; others would wait for it.
        """
        given = False
        for number, loaded in enumerate(self._loader, start=1):
            self._faults.add(loaded.faults)
            if number == len(self):
                self._faults.report("evaluation")
            if loaded.batch is not None:
                given = True
                yield loaded.batch
        if not given:
            raise RuntimeError("No validation image of this process can be read, see the warning. Repair the images.")


def check_layout(state: Mapping[str, Any], layout: Mapping[str, int]) -> None:
    """Refuse a place in mid-epoch that was saved among other batches.

    Args:
        state: The saved place: its ``batch`` in the epoch, and the layout it was saved with.
        layout: What this loader's batches depend on.

    Raises:
        ValueError: If the layouts differ; between epochs any layout will do.
    """
    theirs = {name: state.get(name) for name in layout}
    if state["batch"] and theirs != layout:
        raise ValueError(
            f"The checkpoint was written in mid-epoch with {theirs}, now it is {dict(layout)}: its place in the epoch "
            "means other images here. Resume with the same data, `data.batch_size`, `data.seed` and devices, or start "
            "from its weights with `model.checkpoint`."
        )


def epoch_length(num_samples: int, batch_size: int, world_size: int, accumulation: int) -> int:
    """Batches of one epoch on each rank: whole optimizer steps.

    Raises:
        ValueError: If there are fewer samples than one step takes.
    """
    step = batch_size * world_size * accumulation
    if num_samples < step:
        accumulated = f", {accumulation} batches a step," if accumulation > 1 else ""
        raise ValueError(
            f"data.batch_size={batch_size} on {world_size} device(s){accumulated} needs {step} training images for "
            f"one step, there are {num_samples}. Lower `data.batch_size` or the accumulation (`model.global_batch`, "
            "`trainer.accumulate_grad_batches`), or add images."
        )
    return num_samples // step * accumulation


def check_batch_size(batch_size: int, num_workers: int) -> None:
    """Refuse sizes that cannot be.

    Raises:
        ValueError: If `batch_size` is below 1 or `num_workers` below 0.
    """
    if batch_size < 1 or num_workers < 0:
        raise ValueError(
            f"data.batch_size={batch_size}, data.num_workers={num_workers}: expected a batch size of 1 or more and 0 "
            "workers (load in the main process) or more."
        )


class _KeyBatches:
    """The sampler of a torch loader: yields the keys of one batch after the other; refilled for each epoch."""

    def __init__(self, batches: Iterable[list[SampleKey]] = ()) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[list[SampleKey]]:
        return iter(self.batches)


class _WithFaults(Generic[Batch]):
    """Samples whose batches come with what could not be read."""

    def __init__(self, samples: Samples[Batch]) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, keys: Sequence[SampleKey]) -> Loaded[Batch]:
        if isinstance(self._samples, Reporting):
            loaded: Loaded[Batch] = self._samples.load(keys)
            return loaded
        return Loaded(self._samples[keys], ())


class _Batches(Dataset[Batch]):
    """Gives `Samples` the type that torch's loader asks for."""

    def __init__(self, samples: Samples[Batch]) -> None:
        self._samples = samples

    def __getitem__(self, keys: list[SampleKey]) -> Batch:
        return self._samples[keys]


def data_loader(samples: Samples[Batch], keys: Iterable[list[SampleKey]], num_workers: int) -> "DataLoader[Batch]":
    """Torch's loader of the batches that `keys` name, one list a batch, in this order."""
    return DataLoader(
        _Batches(samples),
        batch_size=None,  # the samples make whole batches
        sampler=keys,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator().manual_seed(0),  # else each epoch takes a number from torch's global stream
        worker_init_fn=start_worker,
    )


def start_worker(worker: int) -> None:
    """What a worker process does first: see `give_back_freed_memory`. No sample draws from the global streams."""
    give_back_freed_memory()
