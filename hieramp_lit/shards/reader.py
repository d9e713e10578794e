"""Reading a finished shard set: samples one by one, any sample by position, and a check of every byte."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hieramp_lit.classes import ClassList
from hieramp_lit.files import parse_json, sha256
from hieramp_lit.shards.decode import decode_array, decode_image
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.format import CLASSES, CLS, IMAGE_FORMATS, JSON, SALIENCY, TOKENS, parse_key, shard_name
from hieramp_lit.shards.identity import classes_sha256
from hieramp_lit.shards.manifest import Manifest
from hieramp_lit.shards.tar_file import tar_members
from hieramp_lit.shards.writer import ShardRecord

_CLS = re.compile(rb"\d{1,9}")


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
            ShardError: If the folder is not a finished set of this format version, or its class list is unreadable or
                not the one that it was made with.
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
        if classes_sha256(classes) != manifest.identity["plan"]["classes_sha256"]:
            raise ShardError(
                f"{folder / CLASSES}: not the class list that the set was made with, so labels would be wrong. Delete "
                f"{CLASSES} and run the set's `hieramp predict` again: it writes the index anew."
            )
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

        The shards that hold them are compared with the manifest first, as for `read`.

        Args:
            positions: ``cls * images_per_class + index`` of each wanted sample.

        Raises:
            ShardError: If a shard is missing or damaged, or the set has no such position.
        """
        size, records = self.manifest.shard_size, self.manifest.shards
        wanted: dict[int, set[int]] = {}
        for position in positions:
            wanted.setdefault(position // size, set()).add(position % size)
        for shard, places in sorted(wanted.items()):
            if not 0 <= shard < len(records) or max(places) >= records[shard].samples:
                raise ShardError(f"{self.path}: {shard_name(shard)} has no sample {max(places)}; the set ends before.")
            for place, (key, fields) in enumerate(self.read(records[shard])):
                if place in places:
                    yield decode_sample(key, fields, shard_name(shard))
                if place == max(places):
                    break

    def verify(self) -> None:
        """Check every file and every sample against manifest, sidecars and plan.

        Raises:
            ShardError: Naming every fault with file, key and remedy.
        """
        from hieramp_lit.shards.verify import find_faults  # here: the checks are written on top of this class

        found = [str(fault) for fault in find_faults(self.path)]
        if found:
            raise ShardError(f"{self.path}: {len(found)} fault(s).\n  " + "\n  ".join(found))


def read_shard(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Samples of one shard as (key, field name → bytes), in the order of the file.

    Raises:
        ShardError: If the file is missing, cut short or no tar file of samples.
    """
    if not path.is_file():
        raise ShardError(f"{path}: the shard is missing. {_REMAKE}")
    key, fields, earlier = "", dict[str, bytes](), set[str]()
    try:
        for name, content in tar_members(path):
            member_key, _, field = name.partition(".")
            if member_key != key and fields:
                yield key, fields
                earlier.add(key)
                fields = {}
            key = member_key
            if field in fields or key in earlier:
                raise ShardError(f"{name} comes twice")
            fields[field] = content
    except ShardError as error:
        raise ShardError(f"{path}: {error}. {_REMAKE}") from error
    if fields:
        yield key, fields


def file_fault(path: Path, record: ShardRecord, contents: bool = True) -> str | None:
    """What tells a shard's file from the one that was written; None if nothing does.

    Args:
        path: The file.
        record: What was written.
        contents: Read every byte; otherwise compare the size alone.
    """
    if not path.is_file():
        return "the shard is missing"
    size = path.stat().st_size
    if size != record.bytes:
        return f"{size} bytes, the manifest says {record.bytes}"
    if contents and sha256(path) != record.sha256:
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
    try:
        return _decode(key, fields)
    except ValueError as error:
        raise ShardError(f"{file}: {error}. {_REMAKE}") from error


def _decode(key: str, fields: dict[str, bytes]) -> ShardSample:
    formats = [name for name in IMAGE_FORMATS if name in fields]
    if len(formats) != 1 or CLS not in fields or JSON not in fields:
        raise ValueError(
            f"sample {key} has the fields {sorted(fields)}; needed: one of {', '.join(IMAGE_FORMATS)}, {CLS} and {JSON}"
        )
    try:
        row, index = parse_key(key)
        info = parse_json(fields[JSON])
        if not isinstance(info, dict) or _CLS.fullmatch(fields[CLS]) is None:
            raise ValueError(f"{CLS} is {fields[CLS][:20]!r} and {JSON} a {type(info).__name__}")
        return ShardSample(
            key=key,
            row=row,
            cls=int(fields[CLS]),
            image_index=index,
            image=decode_image(fields[formats[0]], formats),
            info=info,
            tokens=decode_array(fields[TOKENS], np.uint16, 1) if TOKENS in fields else None,
            saliency=decode_array(fields[SALIENCY], np.float16, 3) if SALIENCY in fields else None,
        )
    except ValueError as error:
        raise ValueError(f"sample {key} cannot be decoded ({error})") from error


_REMAKE = "Delete the shard's .json and run the set's `hieramp predict` again: it makes this shard anew."
