"""A token cache on disk: the tokens of a data set, encoded once, read through memory maps.

A folder with, for each shard, ``NAME.tokens.npy`` (uint16, shape ``(samples, L)``), ``NAME.labels.npy`` (class rows,
int64, shape ``(samples,)``) and the sidecar ``NAME.json``, written last: a shard is done if and only if it is there.
``classes.json`` is the class list; ``manifest.json`` says what decided the tokens (the *identity*: tokenizer, crops,
files) and lists the shards. A view of an image takes ``2 L + 8`` bytes: 1368 at 256².

Legend: ``B`` batch · ``L`` tokens of all scales.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hieramp_lit.classes import ClassList
from hieramp_lit.data.tokens.layout import Split, TokenLayout
from hieramp_lit.files import read_json, sha256
from hieramp_lit.shards.decode import read_array_header
from hieramp_lit.shards.format import CLASSES, MANIFEST
from hieramp_lit.shards.identity import identity_hash

FORMAT = {"name": "hieramp-tokens", "version": 1}
TOKEN_TYPE = np.dtype("<u2")
LABEL_TYPE = np.dtype("<i8")
MOST_CODES = 2**16
"""Codes that uint16 can tell apart."""


class TokenCacheError(ValueError):
    """A token cache is damaged, unfinished, or not the one that was asked for; the message names file and remedy."""


@dataclass(frozen=True)
class TokenShardRecord:
    """What a sidecar says about its shard.

    Attributes:
        name: What the shard's files start with.
        samples: Number of samples.
        tokens_bytes: Size of the tokens' file.
        tokens_sha256: Its checksum.
        labels_bytes: Size of the labels' file.
        labels_sha256: Its checksum.
        identity_hash: Hash of what the cache was made with.
    """

    name: str
    samples: int
    tokens_bytes: int
    tokens_sha256: str
    labels_bytes: int
    labels_sha256: str
    identity_hash: str

    def is_in(self, folder: Path) -> bool:
        """Whether both files are there, with their sizes; checksums are compared by `damaged_in`."""
        sizes = {tokens_name(self.name): self.tokens_bytes, labels_name(self.name): self.labels_bytes}
        return all((folder / n).is_file() and (folder / n).stat().st_size == size for n, size in sizes.items())

    def damaged_in(self, folder: Path) -> list[str]:
        """Which of both files have another checksum; reads them whole."""
        sums = {tokens_name(self.name): self.tokens_sha256, labels_name(self.name): self.labels_sha256}
        return [name for name, expected in sums.items() if sha256(folder / name) != expected]

    def to_json(self) -> dict[str, Any]:
        """Plain values for sidecar and manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any, source: str) -> "TokenShardRecord":
        """Read what `to_json` wrote.

        Raises:
            TokenCacheError: If a field is missing, surplus or of another type; the message names `source`.
        """
        kinds = {name: field.type for name, field in cls.__dataclass_fields__.items()}
        if not isinstance(value, dict) or {name: type(item) for name, item in value.items()} != kinds:
            raise TokenCacheError(
                f"{source} is no record of a token shard: expected the fields {', '.join(kinds)}. Delete it and run "
                "the cache's `hieramp tokenize` again."
            )
        return cls(**value)


class TokenCache:
    """A finished cache, for reading. Open it with `open`.

    Args:
        path: Folder.
        identity: What decided the tokens, see `TokenizationPlan.identity`.
        layout: Where which tokens are.
        tokens_per_sample: ``L``.
        classes: Class list.
        records: One a shard, in the layout's order.
    """

    def __init__(
        self,
        path: Path,
        identity: Mapping[str, Any],
        layout: TokenLayout,
        tokens_per_sample: int,
        classes: ClassList,
        records: Sequence[TokenShardRecord],
    ) -> None:
        self.path = path
        self.identity = identity
        self.layout = layout
        self.tokens_per_sample = tokens_per_sample
        self.classes = classes
        self.records = records
        self._maps: dict[int, tuple[NDArray[np.uint16], NDArray[np.int64]]] = {}

    @classmethod
    def open(cls, path: Path | str, key: str = "data.path") -> "TokenCache":
        """Read the manifest and check that every shard has its size; tokens are mapped when they are asked for.

        Their content is compared by `verify`.

        Args:
            path: Folder that `hieramp tokenize` wrote.
            key: Configuration key to name in errors.

        Raises:
            TokenCacheError: If it is no finished cache, of another format, or damaged.
        """
        folder = Path(path).expanduser()
        manifest = folder / MANIFEST
        if not manifest.is_file():
            raise TokenCacheError(
                f"{key}={str(path)!r} is no finished token cache: it has no {MANIFEST}. Make it with `hieramp "
                "tokenize`; if that was interrupted, run the same command again and it goes on."
            )
        try:
            value = read_json(manifest)
            if value["format"] != FORMAT:
                raise TokenCacheError(
                    f"{key}={str(path)!r} holds {value['format']}, expected {FORMAT}: give a folder that `hieramp "
                    "tokenize` of this release wrote."
                )
            records = [TokenShardRecord.from_json(record, str(manifest)) for record in value["shards"]]
            layout = TokenLayout(**value["samples"], views=value["views"], shard_size=value["identity"]["shard_size"])
            whole = len(records) == layout.num_shards  # before they are listed: a manifest can claim any number
            whole = whole and all(
                (record.name, record.samples) == (shard.name, shard.samples)
                for record, shard in zip(records, layout.shards, strict=True)
            )
            whole = whole and value["identity_hash"] == identity_hash(value["identity"])
            length = value["tokens_per_sample"]
            whole = whole and type(length) is int and 0 < length * TOKEN_TYPE.itemsize <= records[0].tokens_bytes
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, TokenCacheError):
                raise
            raise TokenCacheError(f"{manifest} is damaged ({type(error).__name__}: {error}). Make it anew.") from error
        if not whole:
            raise TokenCacheError(f"{manifest} was edited: its parts do not fit each other. Make the cache anew.")
        with ThreadPoolExecutor() as pool:  # on a network file system each of thousands takes a round trip
            there = list(pool.map(lambda record: record.is_in(folder), records))
        lost = [record.name for record, is_there in zip(records, there, strict=True) if not is_there]
        if lost:
            raise TokenCacheError(
                f"{folder}: {len(lost)} shards are missing or cut short ({', '.join(lost[:3])} …). Run the cache's "
                "`hieramp tokenize` again: it makes what is missing."
            )
        return cls(folder, value["identity"], layout, length, _classes(folder / CLASSES), records)

    def read(self, split: Split, places: Sequence[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tokens, shape ``(B, L)``, and class rows, shape ``(B,)``, both int64.

        Args:
            split: Training or validation samples.
            places: A view and a sample for each row.

        Raises:
            IndexError: If there is no such view or sample.
        """
        tokens = np.empty((len(places), self.tokens_per_sample), dtype=np.int64)
        labels = np.empty(len(places), dtype=np.int64)
        for place, (view, sample) in enumerate(places):
            shard, row = self.layout.locate(split, view, sample)
            stored_tokens, stored_labels = self._map(shard)
            tokens[place], labels[place] = stored_tokens[row], stored_labels[row]
        return tokens, labels

    def verify(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Compare every file with its checksum.

        Args:
            progress: Called with the numbers of shards that are checked and of all.

        Raises:
            TokenCacheError: Naming the files that differ.
        """
        damaged = [name for names in damaged_files(self.path, self.records, progress) for name in names]
        if damaged:
            raise TokenCacheError(
                f"data.path={str(self.path)!r}: {len(damaged)} files are damaged, their SHA-256 is another than when "
                f"they were written ({', '.join(damaged[:3])}{', …' if len(damaged) > 3 else ''}). Run the cache's "
                "`hieramp tokenize` again: it makes these shards anew."
            )

    def __getstate__(self) -> dict[str, Any]:
        # Worker processes map the files themselves: pickling a map would copy its content.
        return {**self.__dict__, "_maps": {}}

    def _map(self, shard: int) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
        if shard not in self._maps:
            place = self.layout.shards[shard]
            self._maps[shard] = (
                _open(self.path / tokens_name(place.name), (place.samples, self.tokens_per_sample), TOKEN_TYPE),
                _open(self.path / labels_name(place.name), (place.samples,), LABEL_TYPE),
            )
        return self._maps[shard]


def damaged_files(
    folder: Path, records: Sequence[TokenShardRecord], progress: Callable[[int, int], None] | None = None
) -> list[list[str]]:
    """For each shard its files that have another checksum; reads all files whole, on all cores."""
    found = []
    with ThreadPoolExecutor() as pool:
        for damaged in pool.map(lambda record: record.damaged_in(folder), records):
            found.append(damaged)
            if progress is not None:
                progress(len(found), len(records))
    return found


def tokens_name(shard: str) -> str:
    """File of a shard's tokens."""
    return f"{shard}.tokens.npy"


def labels_name(shard: str) -> str:
    """File of a shard's labels."""
    return f"{shard}.labels.npy"


def sidecar_name(shard: str) -> str:
    """File that says that a shard is complete."""
    return f"{shard}.json"


def _classes(path: Path) -> ClassList:
    try:
        return ClassList.read(path)
    except (OSError, ValueError) as error:
        raise TokenCacheError(
            f"{path} cannot be read ({error}). Delete it and run the cache's `hieramp tokenize` again: it comes back."
        ) from error


def _open(path: Path, shape: tuple[int, ...], kind: "np.dtype[Any]") -> NDArray[Any]:
    try:
        with path.open("rb") as file:
            found = read_array_header(file, kind, path.stat().st_size)
            start = file.tell()
        if found != shape:
            raise ValueError(f"shape {found}, expected {shape}")
    except ValueError as error:
        raise TokenCacheError(f"{path}: {error}. Delete it and run the cache's `hieramp tokenize` again.") from error
    return np.memmap(path, kind, mode="r", offset=start, shape=shape)
