"""Random pictures as PNG files, and the two ways from there to a student's batches: a bank, and a DataLoader."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from hieramp_lit.data.bank.image_bank import ImageBank
from hieramp_lit.data.bank.loading import BankLoader
from hieramp_lit.data.loading import start_worker
from hieramp_lit.seeds import stream
from hieramp_lit.students.network_input import IMAGENET_MEAN, IMAGENET_STD, NetworkInput
from hieramp_lit.students.protocols import PUBLISHED
from hieramp_lit.students.views.augment import Augmentation
from hieramp_lit.students.views.batch import Views
from hieramp_lit.students.views.mix import Mixed, mix_images_

CLASSES = 10
RDED = PUBLISHED["rded"]


def write_pictures(folder: Path, number: int, size: int) -> None:
    """Write PNG files, one folder a class: smooth colours with fine noise, which pack and decode as photographs do.

    Args:
        folder: Where to; must exist.
        number: Of all files.
        size: Side in pixels.
    """
    generator = stream("bench", "pictures")
    for index in range(number):
        coarse = torch.rand(1, 3, max(size // 16, 2), max(size // 16, 2), generator=generator)
        smooth = 255 * F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=False)
        noisy = smooth + 8 * torch.randn(smooth.shape, generator=generator)
        pixels = noisy.clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0).contiguous().numpy()
        path = folder / f"{index % CLASSES}" / f"{index:06d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)


def read_pictures(folder: Path) -> ImageBank:
    """Decode all files of `write_pictures`, in the order of `ImageFolder`."""
    files = ImageFolder(str(folder)).samples
    images = [np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1) for path, _ in files]
    return ImageBank(torch.from_numpy(np.stack(images)), torch.tensor([label for _, label in files]))


class BankPath:
    """Epochs of normalized, mixed batches from a bank, as `RelabelTraining` makes them.

    Args:
        bank: Images, anywhere.
        batch_size: Images of a batch.
        device: Where the batches are wanted.
        augmentation: Random resized crop and flip.
    """

    def __init__(self, bank: ImageBank, batch_size: int, device: torch.device, augmentation: Augmentation) -> None:
        self.loader = BankLoader(bank, batch_size, seed=0, device=device)
        self.views = Views(augmentation, bank.images.shape[-1], RDED.mix, RDED.mix_alpha)
        self.network_input = NetworkInput()
        self._generator = stream("bench", "bank")

    def epoch(self) -> Iterator[tuple[Mixed, Tensor]]:
        """Views in [0, 1] and labels, every image once."""
        for batch in self.loader:
            yield self.views(batch.image, self._generator), batch.label

    def run(self) -> None:
        """One epoch, normalized."""
        for views, _ in self.epoch():
            self.network_input.make_(views.image)


class LoaderPath:
    """The same from files, the usual way: worker processes decode, crop, flip and normalize image by image.

    Args:
        folder: Of `write_pictures`.
        size: Side of the views in pixels.
        batch_size: Images of a batch.
        device: Where the batches are wanted.
        augmentation: As for `BankPath`, by torchvision's transforms.
        workers: Processes, which live on between epochs; 0 works in this one.
        normalized: False leaves images in [0, 1], for steps that normalize by themselves.
    """

    def __init__(
        self,
        folder: Path,
        size: int,
        batch_size: int,
        device: torch.device,
        augmentation: Augmentation,
        workers: int,
        normalized: bool = True,
    ) -> None:
        ratio = (augmentation.min_ratio, 1 / augmentation.min_ratio)
        steps: list[Any] = [
            transforms.RandomResizedCrop(size, (augmentation.min_scale, 1.0), ratio, antialias=augmentation.antialias),
            transforms.RandomHorizontalFlip(augmentation.flip),
            transforms.ToTensor(),
        ]
        if normalized:
            steps.append(transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD))
        self.loader: DataLoader[Any] = DataLoader(
            ImageFolder(str(folder), transforms.Compose(steps)),
            batch_size,
            shuffle=True,
            num_workers=workers,
            pin_memory=device.type == "cuda",
            persistent_workers=workers > 0,
            generator=stream("bench", "loader"),
            worker_init_fn=start_worker,
        )
        self.device = device
        self._generator = stream("bench", "mix")

    def epoch(self) -> Iterator[tuple[Mixed, Tensor]]:
        """Views and labels, every image once."""
        for image, label in self.loader:
            on_device = image.to(self.device, non_blocking=True)
            mixed = mix_images_(on_device, RDED.mix, RDED.mix_alpha, self._generator)
            yield mixed, label.to(self.device, non_blocking=True)

    def run(self) -> None:
        """One epoch."""
        for _ in self.epoch():
            continue
