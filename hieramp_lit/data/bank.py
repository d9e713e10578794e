"""The image bank: a whole small data set as one uint8 tensor, on the device that trains on it.

A distilled set is small (10 000 images of 224² take 1.4 GiB), so nothing is decoded twice and no worker is needed.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.data.loading import check_layout
from hieramp_lit.seeds import stream


@dataclass(frozen=True)
class ImageBank:
    """Images with labels in memory.

    Attributes:
        images: RGB, uint8 in 0…255, shape ``(N, 3, H, W)``.
        labels: *cls*, int64, shape ``(N,)``, on the same device.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or self.images.shape[1] != 3:
            raise ValueError(
                f"A bank holds uint8 images of shape (N, 3, H, W), got {self.images.dtype} {tuple(self.images.shape)}."
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"A bank needs one int64 label an image, got {self.labels.dtype} {tuple(self.labels.shape)} "
                f"for {len(self.images)} images."
            )

    @classmethod
    def collect(cls, batches: Iterable[ImageBatch]) -> "ImageBank":
        """Join batches.

        Raises:
            ValueError: If there are none.
        """
        parts = list(batches)
        if not parts:
            raise ValueError("There are no images to put in the bank.")
        return cls(torch.cat([part.image for part in parts]), torch.cat([part.label for part in parts]))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index_B: Tensor) -> ImageBatch:
        """Gather a batch; `index_B` is int64, shape ``(B,)``, on the CPU or the bank's device."""
        index_B = index_B.to(self.images.device)
        return ImageBatch(self.images[index_B], self.labels[index_B])

    def to(self, device: torch.device | str) -> "ImageBank":
        """Move to a device."""
        return ImageBank(self.images.to(device), self.labels.to(device))

    def sha256(self) -> str:
        """Hex SHA-256 over shape, labels and pixels, in order."""
        digest = hashlib.sha256(str(tuple(self.images.shape)).encode())
        digest.update(self.labels.cpu().numpy().tobytes())
        for image in self.images.cpu():
            digest.update(image.numpy().tobytes())
        return digest.hexdigest()


def resize_uint8(image_BCHW: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize uint8 images ``(B, 3, H, W)`` to ``size`` (height, width), bilinear with antialias, rounded."""
    if image_BCHW.shape[-2:] == size:
        return image_BCHW
    resized = F.interpolate(image_BCHW.float(), size=size, mode="bilinear", antialias=True, align_corners=False)
    return resized.round().clamp(0, 255).to(torch.uint8)


class BankBatches:
    """Batches of a bank in its own order, for evaluation.

    Args:
        bank: Images.
        batch_size: Images of a batch; the last one may be smaller.
    """

    def __init__(self, bank: ImageBank, batch_size: int) -> None:
        self.bank = bank
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.bank) // self.batch_size)

    def __iter__(self) -> Iterator[ImageBatch]:
        for index_B in torch.split(torch.arange(len(self.bank)), self.batch_size):
            yield self.bank[index_B]


class BankLoader:
    """Shuffled batches of a bank, in an order that depends on the seed and the epoch alone. Resumable in mid-epoch.

    It counts epochs itself; its data module keeps its place in checkpoints.

    Args:
        bank: Images.
        batch_size: Images of a batch, on each rank; the last batch of an epoch may be smaller.
        seed: Seed of the order.
        rank: Which part of every epoch is ours: positions ``rank, rank + world_size, …``.
        world_size: Number of parts. A last partial round is left out, so that ranks stay in step.

    Raises:
        ValueError: If `batch_size` is below 1.
    """

    def __init__(self, bank: ImageBank, batch_size: int, seed: int, rank: int = 0, world_size: int = 1) -> None:
        if batch_size < 1:
            raise ValueError(f"data.batch_size={batch_size} must be at least 1, or null for the protocol's rule.")
        self.bank = bank
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
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
            yield self.bank[index_B]

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

    def _batches(self, epoch: int) -> tuple[Tensor, ...]:
        order = torch.randperm(len(self.bank), generator=stream("order", self.seed, epoch))
        own = order[: len(order) // self.world_size * self.world_size][self.rank :: self.world_size]
        return torch.split(own, self.batch_size)
