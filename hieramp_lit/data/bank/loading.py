"""Batches of a bank: shuffled for training, in order for evaluation. No worker process, nothing is decoded."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from hieramp_lit.data.bank.image_bank import ImageBank
from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.data.loading import check_layout
from hieramp_lit.seeds import stream

CPU = torch.device("cpu")


class BankBatches:
    """Batches of a bank in its own order, for evaluation.

    Args:
        bank: Images.
        batch_size: Images of a batch; the last one may be smaller.
        device: Where the batches are wanted.
    """

    def __init__(self, bank: ImageBank, batch_size: int, device: torch.device = CPU) -> None:
        self.bank = bank
        self.batch_size = batch_size
        self.device = device

    def __len__(self) -> int:
        return -(-len(self.bank) // self.batch_size)

    def __iter__(self) -> Iterator[ImageBatch]:
        parts = [torch.split(whole, self.batch_size) for whole in (self.bank.images, self.bank.labels)]
        for image, label in zip(*parts, strict=True):
            yield ImageBatch(image.to(self.device, non_blocking=True), label.to(self.device, non_blocking=True))


class BankLoader:
    """Shuffled batches of a bank, in an order that depends on the seed and the epoch alone. Resumable in mid-epoch.

    The last batch of an epoch may be smaller, as in the published loop, which drops none. A single image left over
    joins the batch before it: batch norm knows no variance of one image. At the protocol's own sizes of sets neither
    happens, batches divide them.

    It counts epochs itself; its data module keeps its place in checkpoints.

    Args:
        bank: Images.
        batch_size: Images of a batch, on each rank.
        seed: Seed of the order.
        rank: Which part of every epoch is ours: positions ``rank, rank + world_size, …``.
        world_size: Number of parts. A last partial round is left out, so that ranks stay in step.
        device: Where the batches are wanted.

    Raises:
        ValueError: If `batch_size` is below 1.
    """

    def __init__(
        self,
        bank: ImageBank,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        device: torch.device = CPU,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"data.batch_size={batch_size} must be at least 1, or null for the protocol's rule.")
        self.bank = bank
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.device = device
        self._epoch = 0
        self._batch = 0

    def __len__(self) -> int:
        return len(self._batches(0))

    def __iter__(self) -> Iterator[ImageBatch]:
        """As many batches as an epoch has, from the current place on."""
        ahead = self._batches(self._epoch)[self._batch :] + self._batches(self._epoch + 1)[: self._batch]
        for index_B in ahead:
            self._batch += 1
            if self._batch == len(ahead):
                self._epoch, self._batch = self._epoch + 1, 0
            yield self.bank.gather(index_B, self.device)

    def state_dict(self) -> dict[str, int]:
        """The place, and what the batches from there on depend on."""
        return {"epoch": self._epoch, "batch": self._batch, **self._layout()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the place that `state_dict` told.

        Raises:
            ValueError: If the batches of this loader are not those of the one whose place was saved.
        """
        check_layout(state, self._layout())
        self._epoch, self._batch = int(state["epoch"]), int(state["batch"])

    def _layout(self) -> dict[str, int]:
        return {
            "images": len(self.bank),
            "batch_size": self.batch_size,
            "seed": self.seed,
            "world_size": self.world_size,
        }

    def _batches(self, epoch: int) -> list[Tensor]:
        order = torch.randperm(len(self.bank), generator=stream("order", self.seed, epoch))
        own = order[: len(order) // self.world_size * self.world_size][self.rank :: self.world_size]
        batches = list(torch.split(own, self.batch_size))
        if self.batch_size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
            batches[-2:] = [torch.cat(batches[-2:])]
        return batches
