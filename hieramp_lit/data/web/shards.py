"""Tar shards of images (webdataset's layout): which they are, and what is in them.

A sample is the adjacent members of one key, the part of a member's name up to its first dot; what follows is the field:
``n01440764_10026.jpg``, ``n01440764_10026.cls``. Fields are taken in lower case, as webdataset does. What webdataset
passes over in silence is an error here: a sample without an image or label (a dot in a key makes it part of the
fields), a key that comes twice in a shard, a shard without samples, one that is cut short between two members.
"""

import glob
import json
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from hieramp_lit.data.images.reading import SUFFIXES

Taken = TypeVar("Taken")
IMAGE_FIELDS = frozenset(suffix.removeprefix(".") for suffix in SUFFIXES)
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
MEMBER = re.compile(r"((?:.*/|)[^./]+)[.]([^/]+)", re.DOTALL)
ABOUT_THE_SHARD = re.compile(r"__[^/]*__($|/)")
MOST_IMAGE_BYTES = 2**28
MOST_LABEL_BYTES = 2**20
BLOCK = 512
DAMAGE = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError)


class ShardError(ValueError):
    """A shard that cannot be opened, is damaged, or holds samples of another layout; the message names it."""


class Shards(NamedTuple):
    """The shards of a data set.

    Attributes:
        urls: Paths and URLs, in order.
        indexable: Whether all are uncompressed files of this machine, which can be read from any place.
    """

    urls: tuple[str, ...]
    indexable: bool

    @property
    def paths(self) -> list[Path]:
        """The shards as files."""
        return [Path(url) for url in self.urls]


def find_shards(spec: str | Sequence[str], key: str) -> Shards:
    """The shards that a configuration names.

    Args:
        spec: Paths with ``*`` or braces (``train-{0000..1023}.tar``), a folder (all ``*.tar`` in it), or anything that
            webdataset opens: ``https://…``, ``hf://…``, ``pipe:COMMAND``; one, or several in a list or with ``::``
            between.
        key: Configuration key to name in errors.

    Raises:
        ValueError: If nothing is there, a file is missing, or a shard comes twice.
    """
    from webdataset.shardlists import expand_urls  # here: it is needed by few

    urls = [url for part in ([spec] if isinstance(spec, str) else spec) for url in expand_urls(part)]
    found: list[str] = []
    for url in urls:
        found += [url] if _is_remote(url) else _files(url, key)
    twice = sorted({url for url in found if found.count(url) > 1}) if len(set(found)) < len(found) else []
    if twice or not found:
        raise ValueError(f"{key}: {twice[:3]} come twice." if twice else f"{key}={spec!r} names no shard.")
    return Shards(tuple(found), all(not _is_remote(url) and url.endswith(".tar") for url in found))


@dataclass(frozen=True)
class Fields:
    """Which fields of a sample are its image and its label.

    Args:
        label: ``cls``, or any field that holds one number or name; ``json:KEY`` is the value of KEY in the field json.
        image: The image's field; None takes the one of a known kind (``jpg``, ``png``, ``webp``, …).
    """

    label: str = "cls"
    image: str | None = None

    @property
    def label_field(self) -> str:
        """Field that holds the label."""
        return self.label.partition(":")[0].lower()

    def may_be_needed(self, field: str) -> bool:
        """Whether a sample's field is its label or could be its image."""
        return field == self.label_field or field == self.image or (self.image is None and field in IMAGE_FIELDS)

    def image_field(self, where: str, fields: Sequence[str]) -> str:
        """The image's field of a sample.

        Raises:
            ShardError: If the sample has none or several, or no label.
        """
        images = [field for field in fields if field == self.image or (self.image is None and field in IMAGE_FIELDS)]
        if len(images) != 1 or self.label_field not in fields:
            raise ShardError(
                f"{where} has the fields {sorted(fields)[:12]}: expected one image (data.image_field, or jpg, png, "
                f"webp … where it is null) and the label {self.label_field!r} (data.label_field). Fields begin at the "
                "first dot of a name, so a key must have none."
            )
        return images[0]

    def text(self, content: bytes, where: str) -> str:
        """The label as text: a number or a name.

        Raises:
            ShardError: If there is no such value.
        """
        _, colon, name = self.label.partition(":")
        try:
            value: object = content.decode("utf-8").strip()
            if colon:
                parsed = json.loads(content)
                value = parsed[name] if isinstance(parsed, dict) and name in parsed else None
            str(value).encode()
        except (ValueError, RecursionError) as error:
            raise ShardError(f"{where}: the field {self.label_field!r} cannot be read: {error}.") from error
        if isinstance(value, bool) or not isinstance(value, (int, str)) or value == "":
            raise ShardError(
                f"{where}: data.label_field={self.label!r} is {value!r}, expected a number or a name. Labels in a json "
                "field need its key, e.g. json:label."
            )
        return str(value)


def samples_of(
    tar: tarfile.TarFile, shard: str, take: Callable[[str, tarfile.TarInfo], Taken]
) -> Iterator[tuple[str, dict[str, Taken]]]:
    """The samples of an open shard, in order: key, and what was taken of each field.

    Args:
        tar: The shard; it may be a stream.
        shard: Its name, for errors.
        take: Called for each member as it passes, with its field in lower case.

    Raises:
        ShardError: If the shard is damaged or cut short, has a key or field twice, or no sample.
    """
    seen: set[str] = set()
    key, fields = "", dict[str, Taken]()
    for info in _members(tar, shard):
        match = MEMBER.fullmatch(info.name)
        if not info.isreg() or match is None or ABOUT_THE_SHARD.match(info.name):
            continue
        if match[1] != key:
            if fields:
                yield key, fields
            key, fields = match[1], {}
            if key in seen:
                raise ShardError(f"{shard}: the key {key!r} comes twice; write the members of a sample side by side.")
            seen.add(key)
        field = match[2].lower()
        if field in fields:
            raise ShardError(f"{shard}: {key!r} has the field {field!r} twice.")
        fields[field] = take(field, info)
    if not fields:
        raise ShardError(f"{shard} holds no samples. Remove it, or write it anew.")
    yield key, fields


def content_of(tar: tarfile.TarFile, info: tarfile.TarInfo, shard: str, most: int) -> bytes:
    """A member's bytes.

    Raises:
        ShardError: If there are more than `most`, or less than its header says.
    """
    if info.size > most:
        raise ShardError(f"{shard}: {info.name} has {info.size} bytes, more than the {most} that are read at most.")
    try:
        file = tar.extractfile(info)
        content = file.read() if file is not None else b""
    except DAMAGE as error:
        raise ShardError(f"{shard}: {info.name} cannot be read: {type(error).__name__}: {error}") from error
    if len(content) < info.size:
        raise ShardError(f"{shard}: is cut short in {info.name}.")
    return content


def _members(tar: tarfile.TarFile, shard: str) -> Iterator[tarfile.TarInfo]:
    while True:
        try:
            info = tar.next()
        except DAMAGE as error:
            raise ShardError(f"{shard} is damaged or cut short: {type(error).__name__}: {error}") from error
        if info is None:
            break
        tar.members.clear()  # type: ignore[attr-defined] # it would keep them all
        yield info
    # tarfile takes a file that ends between two members for whole
    if tar.fileobj is None or tar.fileobj.tell() < tar.offset + BLOCK:
        raise ShardError(f"{shard} is cut short: the mark at the end of a tar file is missing. Copy it anew.")


def _is_remote(url: str) -> bool:
    return SCHEME.match(url) is not None and not url.startswith("file:")


def _files(pattern: str, key: str) -> list[str]:
    path = Path(pattern.removeprefix("file://").removeprefix("file:")).expanduser()
    if path.is_dir():
        found = sorted(str(file) for file in path.glob("*.tar"))
    elif glob.has_magic(str(path)) and not path.is_file():
        found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 # Path.glob takes no absolute pattern
    else:
        found = [str(path)] if path.is_file() else []
    if not found:
        raise ValueError(f"{key}: {path} is no file, folder of .tar files, or pattern that fits any.")
    return found
