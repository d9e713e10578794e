"""Data sets to look at: labelled images in a fixed order, brought to one size, with names for people.

Legend: ``N`` images · ``S`` side in pixels.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from hieramp_lit.classes import ClassList
from hieramp_lit.data.bank.class_match import NOT_IN_SET, match_classes
from hieramp_lit.data.images.crop import ResizeCrop
from hieramp_lit.data.loading import SampleKey
from hieramp_lit.generate.real import RealImages
from hieramp_lit.seeds import stream
from hieramp_lit.shards import ShardError, ShardSet
from hieramp_lit.shards.reader import decode_sample


class LabelledImage(NamedTuple):
    """One image.

    Attributes:
        number: In its data set, from 0.
        cls: Its class in the set that is inspected.
        image: 8-bit RGB, S × S.
        tokens: Codebook indices, uint16, shape ``(L,)``; None without.
    """

    number: int
    cls: int
    image: Image.Image
    tokens: NDArray[np.uint16] | None


class LabelledImages(ABC):
    """Images of a data set, of which those of other classes are left out.

    Args:
        side: S that all are brought to: the largest square in the centre, by Lanczos.
        label_N: Class of each image in the set that is inspected, int64; `NOT_IN_SET` leaves an image out.
    """

    def __init__(self, side: int, label_N: Tensor) -> None:
        self.side = side
        self.label_N = label_N

    def __len__(self) -> int:
        """Number of images that are looked at."""
        return int((self.label_N != NOT_IN_SET).sum())

    @property
    def labels(self) -> Tensor:
        """Classes of the images that are looked at, int64, in the set that is inspected."""
        return self.label_N[self.label_N != NOT_IN_SET]

    def limit(self, most: int, seed: int) -> None:
        """Keep `most` of the images, drawn by `seed`, and leave the others out; all if there are no more."""
        kept = (self.label_N != NOT_IN_SET).nonzero().flatten()
        if most < len(kept):
            left_out = kept[torch.randperm(len(kept), generator=stream("inspected", seed))[most:]]
            self.label_N = self.label_N.index_fill(0, left_out, NOT_IN_SET)

    @abstractmethod
    def calls(self) -> Iterator[Callable[[], LabelledImage]]:
        """What reads each image, in order; for several threads, since decoding takes most of the time."""

    @abstractmethod
    def name(self, number: int) -> str:
        """What people find an image by."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What decides the images, as plain values."""

    def square(self, image: Image.Image, number: int) -> Image.Image:
        """The image in its size here."""
        return squared(image, self.side, number)


class SetImages(LabelledImages):
    """Images of a shard set.

    Args:
        shards: The set.
        classes: Classes of the set that is inspected.
        side: S; None takes the short side of the first image.
        key: Argument that named it, for errors.

    Raises:
        ShardError: If the shard of the first image is damaged.
        ValueError: If classes of the inspected set are missing.
    """

    def __init__(self, shards: ShardSet, classes: ClassList, side: int | None = None, key: str = "SET") -> None:
        self.shards = shards
        mapping = match_classes(classes, shards.classes, key)
        if side is None:
            side = min(next(iter(shards.take([0]))).image.shape[:2])
        super().__init__(side, mapping.repeat_interleave(shards.manifest.images_per_class))

    def calls(self) -> Iterator[Callable[[], LabelledImage]]:
        """Each image's; the shard is compared with the manifest before.

        Raises:
            ShardError: If a shard is missing or damaged.
        """
        for record in self.shards.manifest.shards:
            first = record.shard * self.shards.manifest.shard_size
            for number, (key, fields) in enumerate(self.shards.read(record), start=first):
                if self.label_N[number] != NOT_IN_SET:
                    yield partial(self._decoded, key, fields, record.file, number)

    def name(self, number: int) -> str:
        """The sample's key."""
        rows, each = self.shards.manifest.rows, self.shards.manifest.images_per_class
        return f"r{rows[number // each]:05d}_{number % each:05d}"

    def describe(self) -> dict[str, Any]:
        """Name of the folder, hashes, generator with its configuration, numbers, seed."""
        manifest = self.shards.manifest
        return {
            "kind": "shard set",
            "name": self.shards.path.resolve().name,
            "manifest_sha256": manifest.hash,
            "identity_hash": manifest.identity_hash,
            "generator": manifest.generator,
            "configuration": dict(manifest.configuration),
            "generate_seed": manifest.seed,
            "images_per_class": manifest.images_per_class,
            "classes": len(self.shards.classes),
            "images": len(self),
            "left_out": len(self.shards) - len(self),
            "image_size": self.side,
        }

    def _decoded(self, key: str, fields: dict[str, bytes], file: str, number: int) -> LabelledImage:
        sample = decode_sample(key, fields, file)
        if (key, sample.cls) != (self.name(number), number // self.shards.manifest.images_per_class):
            raise ShardError(
                f"{self.shards.path}/{file}: sample {key} of cls {sample.cls} where the plan has {self.name(number)}. "
                "`hieramp verify` names every fault of the set."
            )
        image = self.square(Image.fromarray(sample.image), number)
        return LabelledImage(number, int(self.label_N[number]), image, sample.tokens)


class RealSetImages(LabelledImages):
    """Real images, as the generator of random real images reads them.

    Args:
        data: The images.
        classes: Classes of the set that is inspected.
        side: S.
        key: Argument that named them, for errors.

    Raises:
        ValueError: If classes of the inspected set are missing.
    """

    def __init__(self, data: RealImages, classes: ClassList, side: int, key: str = "--reference") -> None:
        self.data = data
        mapping = match_classes(classes, data.classes, key)
        cls_of_row = torch.full((max(data.classes.rows) + 1,), NOT_IN_SET)
        cls_of_row[torch.tensor(data.classes.rows)] = mapping
        rows = data.rows()
        self._all = len(rows)
        super().__init__(side, cls_of_row[rows])

    def calls(self) -> Iterator[Callable[[], LabelledImage]]:
        """Each image's."""
        for number in (self.label_N != NOT_IN_SET).nonzero().flatten().tolist():
            yield partial(self._read, number)

    def name(self, number: int) -> str:
        """As the data call it."""
        return self.data.image_name(number)

    def describe(self) -> dict[str, Any]:
        """What the data say of themselves, and how many images are looked at."""
        counts = {"images": len(self), "left_out": self._all - len(self), "image_size": self.side}
        return {"kind": "real images", "data": self.data.identity(), **counts}

    def _read(self, number: int) -> LabelledImage:
        image = Image.fromarray(self.data.pixels([number])[0].numpy())
        return LabelledImage(number, int(self.label_N[number]), self.square(image, number), None)


def squared(image: Image.Image, side: int, number: int = 0) -> Image.Image:
    """The largest square in the centre, brought to a side by Lanczos; an image of that size stays as it is."""
    return image if image.size == (side, side) else ResizeCrop(side, side)(image, SampleKey(0, number))
