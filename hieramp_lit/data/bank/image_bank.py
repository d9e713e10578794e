"""The image bank: a whole small data set as one uint8 tensor, on the device that trains on it where it fits.

A distilled set is small (10 000 images of 224² take 1.4 GiB), so nothing is decoded twice and no worker is needed.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.transfer import sent


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
    def empty(cls, shape: tuple[int, int, int, int], device: torch.device, pinned: bool = False) -> "ImageBank":
        """A bank to be filled.

        Args:
            shape: Number of images, channels, height and width.
            device: Where it lies.
            pinned: Take host memory that a CUDA device can read by itself.
        """
        images = torch.empty(shape, dtype=torch.uint8, device=device, pin_memory=pinned)
        return cls(images, torch.empty(shape[0], dtype=torch.int64, device=device, pin_memory=pinned))

    @classmethod
    def collect(cls, batches: Iterable[ImageBatch]) -> "ImageBank":
        """Join batches of images of one size, on the CPU.

        Args:
            batches: A list is emptied, so that the images are not in memory twice.

        Raises:
            ValueError: If there are none.
        """
        parts = batches if isinstance(batches, list) else list(batches)
        if not parts:
            raise ValueError("There are no images to put in the bank.")
        number = sum(len(part.label) for part in parts)
        bank = cls.empty((number, *parts[0].image.shape[1:]), torch.device("cpu"))
        parts.reverse()
        start = 0
        while parts:
            part = parts.pop()
            bank.images[start : start + len(part.label)] = part.image
            bank.labels[start : start + len(part.label)] = part.label
            start += len(part.label)
        return bank

    def copied(self, device: torch.device, pinned: bool = False) -> "ImageBank":
        """The same bank elsewhere, see `empty`."""
        number, channels, height, width = self.images.shape
        bank = self.empty((number, channels, height, width), device, pinned)
        bank.images.copy_(self.images)
        bank.labels.copy_(self.labels)
        return bank

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index_B: Tensor) -> ImageBatch:
        """Gather a batch where the bank lies; `index_B` is int64, shape ``(B,)``, on the CPU."""
        index_B = sent(index_B, self.images.device)
        return ImageBatch(self.images.index_select(0, index_B), self.labels.index_select(0, index_B))

    def gather(self, index_B: Tensor, device: torch.device) -> ImageBatch:
        """Gather a batch on a device.

        From a bank in pinned memory a CUDA device fetches image by image, without the host's help or waiting.

        Args:
            index_B: int64 on the CPU, shape ``(B,)``.
            device: Where the batch is wanted.
        """
        if device.type == self.images.device.type:
            return self[index_B]
        image_BCHW = torch.empty((len(index_B), *self.images.shape[1:]), dtype=torch.uint8, device=device)
        self._copy_to(image_BCHW, index_B)
        return ImageBatch(image_BCHW, sent(self.labels[index_B], device))

    def _copy_to(self, image_BCHW: Tensor, index_B: Tensor) -> None:
        for image, position in zip(image_BCHW, index_B.tolist(), strict=True):
            image.copy_(self.images[position], non_blocking=True)

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
