"""One shard while it is written, and the record that says it is complete."""

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hieramp_lit.files import atomic_write, sha256, write_json
from hieramp_lit.shards.format import shard_name, sidecar_name


@dataclass(frozen=True)
class ShardRecord:
    """What a sidecar says about its shard.

    Attributes:
        shard: Number of the shard, counted over the whole set.
        samples: Number of samples.
        bytes: Size of the tar file.
        sha256: Checksum of the tar file.
        first_key: Key of the first sample.
        last_key: Key of the last sample.
        identity_hash: Hash of the configuration that the shard was made with.
    """

    shard: int
    samples: int
    bytes: int
    sha256: str
    first_key: str
    last_key: str
    identity_hash: str

    @property
    def file(self) -> str:
        """File name of the shard."""
        return shard_name(self.shard)

    def to_json(self) -> dict[str, Any]:
        """Plain values for sidecar and manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any, source: str) -> "ShardRecord":
        """Read what `to_json` wrote.

        Raises:
            ValueError: If a field is missing, surplus or of another type; the message names `source`.
        """
        kinds = {name: field.type for name, field in cls.__dataclass_fields__.items()}
        if not isinstance(value, dict) or set(value) != set(kinds):
            raise ValueError(f"{source}: expected the fields {sorted(kinds)}.")
        wrong = [name for name, kind in kinds.items() if type(value[name]) is not kind]
        if wrong:
            raise ValueError(f"{source}: wrong type in {', '.join(wrong)}.")
        return cls(**value)


class ShardFile:
    """Writes one shard under a temporary name; only `commit` makes it visible.

    Samples go to the disk as they come, so memory holds none of them. The bytes depend on the samples alone: fixed
    owner, mode and modification time (webdataset's default time makes two equal runs differ).

    Args:
        folder: The shard set's folder.
        shard: Number of the shard, counted over the whole set.
        identity_hash: Hash of the configuration, for the sidecar.

    Raises:
        OSError: If the folder cannot be written.
    """

    def __init__(self, folder: Path, shard: int, identity_hash: str) -> None:
        import webdataset  # here, so that importing the package stays cheap

        self.folder = folder
        self.shard = shard
        self.identity_hash = identity_hash
        self._keys: dict[str, None] = {}  # ordered, and quick to look up
        (folder / sidecar_name(shard)).unlink(missing_ok=True)
        with ExitStack() as stack:  # removes the temporary file where opening it fails
            temporary = stack.enter_context(atomic_write(folder / shard_name(shard)))
            stream = stack.enter_context(temporary.open("wb"))
            self._tar = stack.enter_context(webdataset.TarWriter(stream, encoder=False, mtime=0))
            self._stack = stack.pop_all()

    def add(self, key: str, fields: Mapping[str, bytes]) -> None:
        """Append one sample.

        Raises:
            ValueError: If a sample with this key is already in the shard.
            OSError: If the disk is full; `abort` then removes what was written.
        """
        if key in self._keys:
            raise ValueError(f"{shard_name(self.shard)}: sample {key} comes twice.")
        self._tar.write({"__key__": key, **fields})
        self._keys[key] = None

    def commit(self) -> ShardRecord:
        """Close, fsync, rename, then write the sidecar, whose presence says that the shard is complete.

        Raises:
            ValueError: If the shard is empty; readers refuse empty tar files.
            OSError: If the disk is full. The shard then counts as not made.
        """
        if not self._keys:
            raise ValueError(f"{shard_name(self.shard)}: a shard needs at least one sample.")
        self._stack.close()
        tar = self.folder / shard_name(self.shard)
        record = ShardRecord(
            shard=self.shard,
            samples=len(self._keys),
            bytes=tar.stat().st_size,
            sha256=sha256(tar),
            first_key=next(iter(self._keys)),
            last_key=next(reversed(self._keys)),
            identity_hash=self.identity_hash,
        )
        write_json(self.folder / sidecar_name(self.shard), record.to_json())
        return record

    def abort(self) -> None:
        """Give the shard up and remove its temporary file. Harmless after `commit`."""
        abandoned = InterruptedError(f"{shard_name(self.shard)} was abandoned")
        with suppress(OSError):  # closing flushes, which fails again when the disk is full
            self._stack.__exit__(type(abandoned), abandoned, None)
