"""Shards of this machine as a source of images: listed once, then read from any place.

So they are shuffled, resumed, split and shared over devices exactly as a folder of images, with a thousandth of its
files. Listing takes 16 µs a member on one core where the disk is fast (40 s for ImageNet-1K); an index file keeps the
result.
"""

import hashlib
import io
import json
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from hieramp_lit.data.images.reading import read_image
from hieramp_lit.data.images.source import ImageSource, IntArray, PackedNames
from hieramp_lit.data.web.labels import LabelMeaning
from hieramp_lit.data.web.shards import (
    MOST_IMAGE_BYTES,
    MOST_LABEL_BYTES,
    Fields,
    ShardError,
    content_of,
    samples_of,
)
from hieramp_lit.files import atomic_write
from hieramp_lit.shards.write_errors import explained

VERSION = 1
BAD_INDEX = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


class ShardIndex(NamedTuple):
    """Where the images of some shards are.

    Attributes:
        keys: Key of every sample.
        texts: Label of every sample, as text.
        shard: Number of the shard, int64, shape ``(N,)``.
        offset: Where the image begins, in bytes, int64, shape ``(N,)``.
        size: Its bytes, int64, shape ``(N,)``.
    """

    keys: PackedNames
    texts: PackedNames
    shard: IntArray
    offset: IntArray
    size: IntArray

    def subset(self, places: Sequence[int]) -> "ShardIndex":
        """Some of the samples, in this order."""
        chosen = list(places)
        arrays = (self.shard[chosen], self.offset[chosen], self.size[chosen])
        return ShardIndex(self.keys.subset(chosen), self.texts.subset(chosen), *arrays)


class ShardSource(ImageSource):
    """Images in shards.

    Args:
        paths: The shards.
        index: Where the images are.
        labels: Their labels.
    """

    def __init__(self, paths: Sequence[Path], index: ShardIndex, labels: Sequence[int] | IntArray) -> None:
        super().__init__(labels)
        self._paths = tuple(paths)
        self._index = index

    def name(self, place: int) -> str:
        """Shard and key."""
        return f"{self._paths[self._index.shard[place]]}/{self._index.keys[place]}"

    def read(self, place: int) -> Image.Image:
        """An image.

        Raises:
            UnreadableImageError: If it cannot be decoded.
            ShardError: If the shard is gone or shorter than it was.
        """
        size = int(self._index.size[place])
        try:
            with self._paths[self._index.shard[place]].open("rb", buffering=0) as file:
                content = os.pread(file.fileno(), size, int(self._index.offset[place]))
        except OSError as error:
            raise ShardError(f"{self.name(place)}: {type(error).__name__}: {error}") from error
        if len(content) < size:
            raise ShardError(f"{self.name(place)}: the shard has become shorter since it was listed.")
        return read_image(io.BytesIO(content), self.name(place))

    def identity(self) -> dict[str, Any]:
        """Number, and a checksum over shards, keys, sizes in bytes and labels, not over the content."""
        listed = hashlib.sha256()
        for place, key in enumerate(self._index.keys):
            shard = self._paths[self._index.shard[place]].name
            listed.update(json.dumps([shard, key, int(self._index.size[place]), int(self.labels[place])]).encode())
        return {"count": len(self), "sha256": listed.hexdigest()}

    def subset(self, places: Sequence[int]) -> "ShardSource":
        """Some of the images."""
        return ShardSource(self._paths, self._index.subset(places), self.labels[list(places)])


def open_shards(paths: Sequence[Path], index: ShardIndex, meaning: LabelMeaning) -> tuple[ShardSource, int]:
    """The images of listed shards, and how many are left out as their class is not in the list.

    Raises:
        ShardError: If a label is no class, or all images are left out.
    """
    known: dict[str, int | None] = {}  # few labels, many images
    labels = []
    for place, text in enumerate(index.texts):
        if text not in known:
            known[text] = meaning(text, f"{paths[index.shard[place]]}/{index.keys[place]}")
        labels.append(known[text])
    kept = [place for place, label in enumerate(labels) if label is not None]
    numbers = [label for label in labels if label is not None]
    if not kept:
        raise ShardError(f"{paths[0]} and {len(paths) - 1} more: no image is of the classes of data.classes.")
    left_out = len(labels) - len(kept)
    return ShardSource(paths, index.subset(kept) if left_out else index, numbers), left_out


def list_shards(paths: Sequence[Path], fields: Fields, kept: Path | None = None, write: bool = True) -> ShardIndex:
    """Look through shards, or take what was kept of it.

    Args:
        paths: Uncompressed tar files.
        fields: Image and label.
        kept: File that holds the result, and gets it where it is missing or of other shards (by name, size, time and
            fields); None keeps nothing.
        write: Whether this process writes `kept`.

    Raises:
        ShardError: If a shard is damaged or of another layout.
        OSError: If `kept` cannot be written.
    """
    about = _about(paths, fields)
    found = _read(kept, about) if kept is not None else None
    if found is not None:
        return found
    with ThreadPoolExecutor() as pool:  # where files are far away, waiting for them takes the time
        parts = list(pool.map(lambda path: list(_list_one(path, fields)), paths))
    index = ShardIndex(
        PackedNames(key for part in parts for key, *_ in part),
        PackedNames(text for part in parts for _, text, *_ in part),
        np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
        np.array([offset for part in parts for *_, offset, _ in part], dtype=np.int64),
        np.array([size for part in parts for *_, size in part], dtype=np.int64),
    )
    if kept is not None and write:
        _write(kept, about, index)
    return index


def _list_one(path: Path, fields: Fields) -> Iterator[tuple[str, str, int, int]]:
    """Key, label, place and size of each image of one shard."""
    shard = str(path)

    def take(field: str, info: tarfile.TarInfo) -> tarfile.TarInfo | bytes:
        return content_of(tar, info, shard, MOST_LABEL_BYTES) if field == fields.label_field else info

    with _opened(path) as tar:
        for key, taken in samples_of(tar, shard, take):
            where = f"{shard}/{key}"
            info, label = taken[fields.image_field(where, list(taken))], taken[fields.label_field]
            if isinstance(info, bytes) or not isinstance(label, bytes):
                raise ShardError(f"{where}: data.label_field and data.image_field are the same field.")
            if info.issparse() or not 0 < info.size <= MOST_IMAGE_BYTES:
                raise ShardError(f"{where}: the image has {info.size} bytes, expected 1 to {MOST_IMAGE_BYTES}.")
            yield key, fields.text(label, where), info.offset_data, info.size


def _opened(path: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(path, "r:")
    except (tarfile.TarError, OSError) as error:
        raise ShardError(f"{path} is no uncompressed tar file: {error}. Remove or replace it.") from error


def _about(paths: Sequence[Path], fields: Fields) -> bytes:
    stats = [(path.name, path.stat()) for path in paths]
    shards = [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]
    return json.dumps({"version": VERSION, "fields": [fields.label, fields.image], "shards": shards}).encode()


def _write(kept: Path, about: bytes, index: ShardIndex) -> None:
    told = explained(kept, key="index", kept="Nothing is lost but the time to look through the shards again.")
    with told, atomic_write(kept) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            about=np.frombuffer(about, dtype=np.uint8),
            keys_text=index.keys.text,
            keys_ends=index.keys.ends,
            texts_text=index.texts.text,
            texts_ends=index.texts.ends,
            shard=index.shard,
            offset=index.offset,
            size=index.size,
        )


def _read(kept: Path, about: bytes) -> ShardIndex | None:
    try:
        with kept.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if arrays["about"].tobytes() != about:
                return None
            names = [PackedNames.unpack(arrays[f"{name}_text"], arrays[f"{name}_ends"]) for name in ("keys", "texts")]
            index = ShardIndex(names[0], names[1], arrays["shard"], arrays["offset"], arrays["size"])
    except BAD_INDEX:
        return None
    return index if len({len(column) for column in index}) == 1 else None
