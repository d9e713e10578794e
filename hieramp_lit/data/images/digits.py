"""The embedded example: scikit-learn's handwritten digits, 1797 real images of ten classes, without a download.

Each image has 8×8 pixels of 0…16. They are scaled to 0…255, up-sampled to 32×32 (bicubic, in Pillow's integer
arithmetic, so that every machine has the same bytes) and repeated to RGB.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hieramp_lit.classes import DIGITS, ClassList, load_classes
from hieramp_lit.data.bank.warp import Warp
from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.data.loading import SampleKey
from hieramp_lit.data.module import ImageDataModule
from hieramp_lit.data.splits import stratified_split

IMAGE_SIZE = 32
NUM_TEST = 450
NUM_VALIDATION = 270
DigitsSplit = Literal["train", "test", "fit", "validation"]


def load_digits_split(split: DigitsSplit) -> tuple[Tensor, Tensor]:
    """One part of the digits; the parts never change.

    Args:
        split: ``train`` (1347 images) or ``test`` (450); or one of the two parts of ``train`` for choosing settings
            without a look at the test images: ``fit`` (1077) and ``validation`` (270).

    Returns:
        Images, uint8 in 0…255, shape ``(N, 3, 32, 32)``, and digits, int64, shape ``(N,)``.

    Raises:
        ValueError: If there is no such split.
    """
    images, labels = _all_digits()
    parts = _parts()
    if split not in parts:
        raise ValueError(f"split={split!r}: the digits have {', '.join(map(repr, parts))}.")
    chosen = torch.tensor(parts[split])
    return images[chosen], labels[chosen]


class DigitsSamples:
    """One part of the digits as a source of batches.

    Args:
        split: See `load_digits_split`.
        augmentation: Applied to each sample by its key; None leaves the images as they are.
        seed: Of the augmentation.
    """

    def __init__(self, split: DigitsSplit, augmentation: Warp | None = None, seed: int = 0) -> None:
        self._split = split
        self._images, self._labels = load_digits_split(split)
        self._augmentation = augmentation
        self._seed = seed

    def __len__(self) -> int:
        """Number of images."""
        return len(self._labels)

    def __getitem__(self, keys: Sequence[SampleKey]) -> ImageBatch:
        """The batch of these samples."""
        chosen = torch.tensor([key.sample for key in keys])
        images = self._images[chosen]
        if self._augmentation is not None:
            images = self._augmentation(images, keys, self._seed)
        return ImageBatch(images, self._labels[chosen])

    def identity(self) -> dict[str, Any]:
        """What decides the images: their pixels and how they are warped."""
        warp = None if self._augmentation is None else {**asdict(self._augmentation), "seed": self._seed}
        pixels = hashlib.sha256(self._images.numpy().tobytes()).hexdigest()
        return {"images": {"digits": self._split, "count": len(self), "sha256": pixels}, "warp": warp}


class DigitsDataModule(ImageDataModule):
    """Handwritten digits, 32×32 RGB, classes 0…9: 1347 training and 450 test images.

    Args:
        batch_size: Images per batch and device.
        validation: Images for validation during training: `test` trains on all 1347 training images and validates on
            the test images; `train_split` keeps 270 of the training images for validation and trains on the others.
            Choose settings with `train_split`, so that the test images stay unseen.
        augmentation: Random rotation, shift and zoom of the training images; null leaves them as they are.
        num_workers: Processes that load ahead; 0 is fastest here.
        seed: Decides the order of the training images and their augmentation.

    Raises:
        ValueError: If `validation` is another word or a number is out of range.
    """

    def __init__(
        self,
        batch_size: int = 64,
        validation: Literal["test", "train_split"] = "test",
        augmentation: Warp | None = None,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, num_workers, seed)
        if validation not in ("test", "train_split"):
            raise ValueError(f"data.validation={validation!r}: expected 'test' or 'train_split'.")
        self.validation = validation
        self.augmentation = augmentation

    @property
    def classes(self) -> ClassList:
        """The ten digits."""
        return load_classes(DIGITS)

    def train_samples(self) -> DigitsSamples:
        """Training images, augmented."""
        return DigitsSamples("train" if self.validation == "test" else "fit", self.augmentation, self.seed)

    def val_samples(self) -> DigitsSamples:
        """Test images, or those kept from training."""
        return DigitsSamples("test" if self.validation == "test" else "validation")

    def test_samples(self) -> DigitsSamples:
        """The test images."""
        return DigitsSamples("test")


@cache
def _all_digits() -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits  # slow to import, and only this data set needs it

    pixels, labels = load_digits(return_X_y=True)
    small = np.round(pixels.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    size = (IMAGE_SIZE, IMAGE_SIZE)
    large = np.stack([np.asarray(Image.fromarray(p).resize(size, Image.Resampling.BICUBIC)) for p in small])
    images = torch.from_numpy(large)[:, None].expand(-1, 3, -1, -1).contiguous()
    return images, torch.from_numpy(labels).long()


@cache
def _parts() -> dict[str, list[int]]:
    labels = _all_digits()[1].tolist()
    train, test = stratified_split(labels, NUM_TEST, DIGITS, "test")
    fit, validation = stratified_split([labels[i] for i in train], NUM_VALIDATION, DIGITS, "validation")
    return {"train": train, "test": test, "fit": [train[i] for i in fit], "validation": [train[i] for i in validation]}
