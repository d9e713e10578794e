"""The manifest: what a finished set is, what made it, and which shards it consists of."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from hieramp_lit.files import read_json, write_json
from hieramp_lit.shards.encode import encode_json
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.format import FORMAT_NAME, FORMAT_VERSION, MANIFEST
from hieramp_lit.shards.identity import check_identity, content_sha256, identity_hash
from hieramp_lit.shards.writer import ShardRecord

PACKAGES = ("hieramp_lit", "torch", "torchvision", "numpy", "pillow", "webdataset")


@dataclass(frozen=True)
class Manifest:
    """A finished set in one file.

    Attributes:
        identity: What decides the images and their files, see `set_identity`.
        shards: One record a shard, in order.
        versions: Package versions that made the set; they are told, not compared.
    """

    identity: Mapping[str, Any]
    shards: tuple[ShardRecord, ...]
    versions: Mapping[str, str]

    @property
    def generator(self) -> str:
        """Name of the generator."""
        return str(self.identity["generator"])

    @property
    def configuration(self) -> Mapping[str, Any]:
        """The generator's configuration: weights' sha256, schedule, sampling."""
        configuration: Mapping[str, Any] = self.identity["configuration"]
        return configuration

    @property
    def seed(self) -> int:
        """The set's ``generate.seed``."""
        return int(self.identity["seed"])

    @property
    def rows(self) -> list[int]:
        """Class rows in `cls` order."""
        return list(self.identity["plan"]["rows"])

    @property
    def images_per_class(self) -> int:
        """IPC."""
        return int(self.identity["plan"]["images_per_class"])

    @property
    def shard_size(self) -> int:
        """Samples per shard; the last shard may hold fewer."""
        return int(self.identity["plan"]["shard_size"])

    @property
    def identity_hash(self) -> str:
        """Hash of the configuration: equal for sets that the same command makes."""
        return identity_hash(self.identity)

    @property
    def hash(self) -> str:
        """Hash of configuration, versions and contents: equal for byte-identical sets only."""
        return content_sha256(encode_json(self.to_json()))

    @property
    def num_shards(self) -> int:
        """Number of shards that the plan asks for."""
        return -(-len(self) // self.shard_size)

    def __len__(self) -> int:
        """Number of samples that the plan asks for."""
        return len(self.identity["plan"]["rows"]) * self.images_per_class

    def samples_in(self, shard: int) -> int:
        """Number of samples that the plan asks for in a shard."""
        return min(self.shard_size, len(self) - shard * self.shard_size)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `manifest.json`; generator, configuration and plan repeat the identity for readers."""
        return {
            "format": {"name": FORMAT_NAME, "version": FORMAT_VERSION},
            "generator": self.generator,
            "configuration": dict(self.configuration),
            "plan": dict(self.identity["plan"]),
            "identity": dict(self.identity),
            "identity_hash": self.identity_hash,
            "versions": dict(self.versions),
            "shards": [record.to_json() for record in self.shards],
        }

    def write(self, folder: Path) -> None:
        """Write `manifest.json` atomically."""
        write_json(folder / MANIFEST, self.to_json())

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read `manifest.json`.

        Raises:
            ShardError: If the folder is not a finished set, or the file is damaged or of another format version.
        """
        path = folder / MANIFEST
        if not path.is_file():
            raise ShardError(
                f"{folder}: no {MANIFEST}, so this is not a finished shard set. Give the folder that `hieramp predict` "
                "wrote (its `output`); if the run was interrupted, run the same command again and it goes on."
            )
        try:
            value = read_json(path)
            version = value["format"]
            if version != {"name": FORMAT_NAME, "version": FORMAT_VERSION}:
                raise ShardError(
                    f"{path}: format {version}, this release reads {FORMAT_NAME} version {FORMAT_VERSION}. "
                    "Generate the set again or use the release that made it."
                )
            shards = tuple(ShardRecord.from_json(record, str(path)) for record in value["shards"])
            manifest = cls(identity=value["identity"], shards=shards, versions=value["versions"])
            consistent = manifest.identity_hash == value["identity_hash"]
            if consistent:
                check_identity(manifest.identity)
                consistent = manifest.to_json() == value
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, ShardError):
                raise
            raise ShardError(f"{path} is damaged ({type(error).__name__}: {error}). Generate the set again.") from error
        if not consistent:
            raise ShardError(
                f"{path} was edited: its identity does not give its identity_hash. Generate the set again."
            )
        manifest._check_shards(path)
        return manifest

    def _check_shards(self, path: Path) -> None:
        """Refuse a list of shards that is not the plan's: readers would miss images without a word."""
        if len(self.shards) != self.num_shards:
            raise ShardError(
                f"{path} lists {len(self.shards)} shards, its plan has {self.num_shards}. Run the set's `hieramp "
                "predict` again."
            )
        expected_hash = self.identity_hash
        for number, record in enumerate(self.shards):
            expected = (number, self.samples_in(number), expected_hash)
            if (record.shard, record.samples, record.identity_hash) != expected:
                raise ShardError(
                    f"{path} lists shard {record.shard} with {record.samples} samples of the configuration "
                    f"{record.identity_hash[:12]}… where the plan has shard {number} with {expected[1]} of "
                    f"{expected_hash[:12]}…. Delete {record.file} with its .json and the {MANIFEST}, and run the "
                    "set's `hieramp predict` again."
                )


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a set's bytes."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}
