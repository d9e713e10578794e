"""Where labelled images come from (files, shards, arrays), and batches of them.

Legend: ``N`` images · ``B`` batch · ``H W`` pixels.
"""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, Self, overload

import numpy as np
import torch
from PIL import Image

from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.data.images.crop import ResizeCrop
from hieramp_lit.data.images.reading import UnreadableImageError, find_unreadable
from hieramp_lit.data.images.unreadable import REMEDY, Fault, Loaded
from hieramp_lit.data.loading import SampleKey
from hieramp_lit.seeds import stream

IntArray = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
ByteArray = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
IfUnreadable = Literal["error", "replace", "omit"]
MOST_TRIES = 20


class ImageSource(ABC):
    """Labelled images, one by one, as they are stored.

    Args:
        labels: Class row or cls of every image, int64, shape ``(N,)``.
    """

    def __init__(self, labels: Sequence[int] | IntArray) -> None:
        self.labels: IntArray = np.asarray(labels, dtype=np.int64)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)

    @abstractmethod
    def name(self, place: int) -> str:
        """What errors call an image."""

    @abstractmethod
    def read(self, place: int) -> Image.Image:
        """An image, 8-bit RGB.

        Raises:
            UnreadableImageError: If it cannot be read; it is named.
        """

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What decides the images and labels, as plain values: their number and a checksum; no paths."""

    @abstractmethod
    def subset(self, places: Sequence[int]) -> Self:
        """Some of the images, in this order."""

    def unreadable(self, places: range) -> dict[int, str]:
        """Decode some of the images once, on all cores; the reason for each that cannot be read, by its place."""
        reasons = find_unreadable(lambda i: self.read(places[i]), len(places))
        return {places[i]: reason for i, reason in reasons.items()}


class ArraySource(ImageSource):
    """Small images in memory.

    Args:
        images_NHW3: RGB pixels, uint8 in 0…255, shape ``(N, H, W, 3)``.
        labels: Class row or cls of every image, shape ``(N,)``.
        names: What errors call them.
    """

    def __init__(self, images_NHW3: ByteArray, labels: Sequence[int] | IntArray, names: "PackedNames") -> None:
        super().__init__(labels)
        self.images = images_NHW3
        self._names = names

    def name(self, place: int) -> str:
        """As given."""
        return self._names[place]

    def read(self, place: int) -> Image.Image:
        """An image."""
        return Image.fromarray(self.images[place])

    def identity(self) -> dict[str, Any]:
        """Number of images, and a checksum over pixels and labels."""
        content = hashlib.sha256(np.ascontiguousarray(self.images).data)
        content.update(self.labels.astype("<i8").tobytes())
        return {"count": len(self), "sha256": content.hexdigest()}

    def subset(self, places: Sequence[int]) -> "ArraySource":
        """Some of the images; copies their pixels."""
        return ArraySource(self.images[list(places)], self.labels[list(places)], self._names.subset(places))


class PackedNames(Sequence[str]):
    """Many names in one piece of memory, which worker processes share.

    A list of a million paths takes half a gigabyte, and each worker process would come to hold a copy: to read a Python
    object is to write its reference count.

    Args:
        names: The names; paths may hold any bytes.
    """

    def __init__(self, names: Iterable[str]) -> None:
        encoded = [os.fsencode(name) for name in names]
        self.text: ByteArray = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        self.ends: IntArray = np.cumsum([len(name) for name in encoded], dtype=np.int64)

    @classmethod
    def unpack(cls, text: ByteArray, ends: IntArray) -> "PackedNames":
        """Names from what `text` and `ends` of others were.

        Raises:
            ValueError: If they do not fit each other.
        """
        if text.dtype != np.uint8 or (np.diff(ends, prepend=0) < 0).any() or (ends[-1:] != len(text)).any():
            raise ValueError("text and ends of the names do not fit each other")
        names = cls(())
        names.text, names.ends = text, ends
        return names

    def __len__(self) -> int:
        """Number of names."""
        return len(self.ends)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        """One name, or those of a slice."""
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        start = self.ends[place - 1] if place else 0
        return os.fsdecode(self.text[start : self.ends[place]].tobytes())

    def subset(self, places: Iterable[int]) -> "PackedNames":
        """Some of the names, in this order."""
        return PackedNames(self[place] for place in places)


class ImageSamples:
    """Images of a source as batches.

    What becomes of an image that cannot be read depends on the sample's key alone, not on workers or batch size.

    Args:
        source: The images.
        transform: Makes equal squares of them.
        if_unreadable: `error` stops and names the image; `replace` takes another one of its class, drawn from
            (seed, epoch, sample), for training; `omit` leaves it out of its batch, for evaluation.
    """

    def __init__(self, source: ImageSource, transform: ResizeCrop, if_unreadable: IfUnreadable = "error") -> None:
        self.source = source
        self.transform = transform
        self._if_unreadable = if_unreadable

    def __len__(self) -> int:
        """Number of images."""
        return len(self.source)

    def __getitem__(self, keys: Sequence[SampleKey]) -> ImageBatch:
        """The batch of these samples.

        Raises:
            UnreadableImageError: If an image cannot be read, whatever becomes of it in `load`: here nothing tells.
        """
        return self.load(keys).whole()

    def load(self, keys: Sequence[SampleKey]) -> Loaded[ImageBatch]:
        """The batch of these samples, and what could not be read of it.

        Raises:
            UnreadableImageError: If an image cannot be read and that is an error, or none of its class was found.
        """
        faults: list[Fault] = []
        found = [entry for entry in (self._load(key, faults) for key in keys) if entry is not None]
        if not found:
            return Loaded(None, faults)
        images = torch.stack([torch.from_numpy(pixels) for pixels, _ in found])
        return Loaded(ImageBatch(images, torch.tensor([label for _, label in found])), faults)

    def identity(self) -> dict[str, Any]:
        """What decides the images: those of the source, and their crops."""
        return {"images": self.source.identity(), "crop": self.transform.identity()}

    def _load(self, key: SampleKey, faults: list[Fault]) -> tuple[ByteArray, int] | None:
        label = int(self.source.labels[key.sample])
        for place in self._candidates(key, label):
            try:
                return planes(self.transform(self.source.read(place), key)), label
            except UnreadableImageError as error:
                if self._if_unreadable == "error":
                    raise UnreadableImageError(f"Cannot read an image: {error}. {REMEDY}") from error
                faults.append(Fault(self.source.name(place), str(error)))
        if self._if_unreadable == "omit":
            return None
        raise UnreadableImageError(
            f"{MOST_TRIES} images drawn among those with label {label} cannot be read, the last one: "
            f"{faults[-1].reason}. Repair them, or leave the class out of `data.classes`."
        )

    def _candidates(self, key: SampleKey, label: int) -> Iterator[int]:
        yield key.sample
        if self._if_unreadable == "replace":
            members = np.flatnonzero(self.source.labels == label)
            draws = stream("replacement", self.transform.seed, *key)
            yield from members[torch.randint(len(members), (MOST_TRIES,), generator=draws).numpy()].tolist()


def planes(image: Image.Image) -> ByteArray:
    """Pixels of an RGB image, uint8, shape ``(3, H, W)``."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
