"""Reading a finished shard set: samples one by one, any sample by position, and a check of every byte."""

import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hieramp_lit.classes import ClassList
from hieramp_lit.files import sha256
from hieramp_lit.shards.encode import decode_array, decode_image
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.format import CLASSES, CLS, IMAGE_FORMATS, JSON, SALIENCY, TOKENS, parse_key, shard_name
from hieramp_lit.shards.manifest import Manifest
from hieramp_lit.shards.writer import ShardRecord


class ShardSample(NamedTuple):
    """One decoded sample.

    Attributes:
        key: ``r<class row>_<index>``.
        row: Class row.
        cls: Index in the set's class list.
        image_index: Index of the image within its class.
        image: RGB pixels, uint8, shape ``(H, W, 3)``.
        info: The sample's `json`: key, cls, row, wnid, name, index, seed, generator and its configuration.
        tokens: Codebook indices, uint16, shape ``(L,)``; None for generators without tokens.
        saliency: Saliency maps of K scales, float16, shape ``(K, P, P)``, NaN at scales without a class token; None
            unless stored.
    """

    key: str
    row: int
    cls: int
    image_index: int
    image: NDArray[np.uint8]
    info: dict[str, Any]
    tokens: NDArray[np.uint16] | None
    saliency: NDArray[np.float16] | None


@dataclass(frozen=True)
class ShardSet:
    """A finished set on disk. Iterating yields its samples in plan order: class by class, index by index.

    Attributes:
        path: Folder of the set.
        manifest: What made it.
        classes: Its class list.
    """

    path: Path
    manifest: Manifest
    classes: ClassList

    @classmethod
    def open(cls, path: Path | str) -> "ShardSet":
        """Open a set; reads manifest and class list, no shard.

        Raises:
            ShardError: If the folder is not a finished set of this format version, or its class list is unreadable.
        """
        folder = Path(path).expanduser()
        manifest = Manifest.read(folder)
        try:
            classes = ClassList.read(folder / CLASSES)
        except (OSError, ValueError) as error:
            raise ShardError(
                f"{folder / CLASSES} cannot be read ({error}). Delete {CLASSES} and run the set's `hieramp predict` "
                "again: it writes the index anew."
            ) from error
        return cls(path=folder, manifest=manifest, classes=classes)

    def __len__(self) -> int:
        """Number of samples."""
        return sum(record.samples for record in self.manifest.shards)

    def __iter__(self) -> Iterator[ShardSample]:
        """All samples in plan order, one in memory at a time."""
        for record in self.manifest.shards:
            for key, fields in self.read(record):
                yield decode_sample(key, fields, record.file)

    def read(self, record: ShardRecord) -> Iterator[tuple[str, dict[str, bytes]]]:
        """Samples of one shard, undecoded, as (key, field name → bytes): those that were written, byte for byte.

        Args:
            record: One of the manifest's `shards`.

        Raises:
            ShardError: If the file is missing, or is not the one that the manifest describes.
        """
        path = self.path / record.file
        changed = file_fault(path, record)
        if changed is not None:
            raise ShardError(f"{path}: {changed}. {_REMAKE}")
        count = 0
        for sample in read_shard(path):
            yield sample
            count += 1
        if count != record.samples:
            raise ShardError(f"{path}: {count} samples, the manifest says {record.samples}. {_REMAKE}")

    def take(self, positions: Iterable[int]) -> Iterator[ShardSample]:
        """Samples at these positions of the plan, in ascending order, without decoding the others.

        Args:
            positions: ``cls * images_per_class + index`` of each wanted sample.

        Raises:
            ShardError: If a shard is missing, damaged, or too short.
        """
        size = self.manifest.shard_size
        wanted: dict[int, set[int]] = {}
        for position in positions:
            wanted.setdefault(position // size, set()).add(position % size)
        for shard, places in sorted(wanted.items()):
            found = 0
            for place, (key, fields) in enumerate(read_shard(self.path / shard_name(shard))):
                if place in places:
                    found += 1
                    yield decode_sample(key, fields, shard_name(shard))
                if found == len(places):
                    break
            if found < len(places):
                raise ShardError(f"{self.path / shard_name(shard)}: has no sample {max(places)}. {_REMAKE}")

    def verify(self) -> None:
        """Check every file and every sample against manifest, sidecars and plan.

        Raises:
            ShardError: Naming every fault with file, key and remedy.
        """
        from hieramp_lit.shards.verify import faults  # here: the checks are written on top of this class

        found = list(faults(self))
        if found:
            raise ShardError(f"{self.path}: {len(found)} fault(s).\n  " + "\n  ".join(found))


def read_shard(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Samples of one shard as (key, field name → bytes), in the order of the file.

    Raises:
        ShardError: If the file is missing, cut short or no tar file.
    """
    if not path.is_file():
        raise ShardError(f"{path}: the shard is missing. {_REMAKE}")
    try:
        with tarfile.open(path, "r:") as tar:
            key, fields = "", dict[str, bytes]()
            for member in tar:
                member_key, _, field = member.name.partition(".")
                if member_key != key and fields:
                    yield key, fields
                    fields = {}
                key = member_key
                content = tar.extractfile(member)
                if content is None or field in fields:
                    raise ShardError(f"{path}: {member.name} is no plain file or comes twice. {_REMAKE}")
                fields[field] = content.read()
            if fields:
                yield key, fields
    except (tarfile.TarError, EOFError) as error:
        raise ShardError(f"{path}: the tar file is cut short or damaged ({error}). {_REMAKE}") from error


def file_fault(path: Path, record: ShardRecord) -> str | None:
    """What tells a shard's file from the one that was written; None if nothing does. Reads every byte."""
    if not path.is_file():
        return "the shard is missing"
    size = path.stat().st_size
    if size != record.bytes:
        return f"{size} bytes, the manifest says {record.bytes}"
    if sha256(path) != record.sha256:
        return f"sha256 differs from the manifest's {record.sha256[:12]}…, so bytes were changed"
    return None


def decode_sample(key: str, fields: dict[str, bytes], file: str) -> ShardSample:
    """Decode one sample.

    Args:
        key: The sample's key.
        fields: Field name → bytes.
        file: Name of the shard, for errors.

    Raises:
        ShardError: Naming file, key and field.
    """
    formats = [name for name in IMAGE_FORMATS if name in fields]
    if len(formats) != 1 or CLS not in fields or JSON not in fields:
        raise ShardError(
            f"{file}: sample {key} has the fields {sorted(fields)}; needed: one of {', '.join(IMAGE_FORMATS)}, "
            f"{CLS} and {JSON}. {_REMAKE}"
        )
    try:
        row, index = parse_key(key)
        return ShardSample(
            key=key,
            row=row,
            cls=int(fields[CLS]),
            image_index=index,
            image=decode_image(fields[formats[0]]),
            info=json.loads(fields[JSON]),
            tokens=decode_array(fields[TOKENS]) if TOKENS in fields else None,
            saliency=decode_array(fields[SALIENCY]) if SALIENCY in fields else None,
        )
    except ValueError as error:
        raise ShardError(f"{file}: sample {key} cannot be decoded ({error}). {_REMAKE}") from error


_REMAKE = "Delete the shard's .json and run the set's `hieramp predict` again: it makes this shard anew."
