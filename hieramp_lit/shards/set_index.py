"""What is known about a set whose files may be damaged: as much as its manifest, its claim and its class list tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hieramp_lit.classes import ClassList
from hieramp_lit.files import read_json
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.format import CLAIM, CLASSES, MANIFEST
from hieramp_lit.shards.identity import check_identity, classes_sha256, identity_hash, made_by
from hieramp_lit.shards.manifest import Manifest


@dataclass(frozen=True)
class SetIndex:
    """The readable part of a set's index.

    Attributes:
        folder: The set's folder.
        manifest: None if it is missing or damaged.
        damage: What is wrong with a manifest that is there.
        identity: Of the manifest, else of the claim of an unfinished set; None if neither tells.
        identity_hash: Its hash.
        classes: The class list, if it is that of the identity.
        classes_damage: What is wrong with a class list that is there.
    """

    folder: Path
    manifest: Manifest | None
    damage: str | None
    identity: Mapping[str, Any] | None
    identity_hash: str | None
    classes: ClassList | None
    classes_damage: str | None

    @classmethod
    def read(cls, folder: Path) -> "SetIndex":
        """Read what can be read.

        Raises:
            ShardError: If there is no such folder.
        """
        if not folder.is_dir():
            raise ShardError(f"{folder} is no folder. Give the folder of a shard set, `hieramp predict` wrote it.")
        manifest, damage = None, None
        if (folder / MANIFEST).is_file():
            try:
                manifest = Manifest.read(folder)
            except ShardError as error:
                damage = str(error)
        identity = _claimed(folder) if manifest is None else manifest.identity
        classes, classes_damage = _classes(folder, identity)
        digest = None if identity is None else identity_hash(identity)
        return cls(folder, manifest, damage, identity, digest, classes, classes_damage)

    @property
    def num_shards(self) -> int | None:
        """Number of shards that the plan asks for, where it is known."""
        if self.identity is None:
            return None
        plan = self.identity["plan"]
        return -(-len(plan["rows"]) * int(plan["images_per_class"]) // int(plan["shard_size"]))

    @property
    def command(self) -> str:
        """The command that makes the set."""
        return "hieramp predict" if self.identity is None else made_by(self.identity)

    @property
    def remake(self) -> str:
        """What to do about a damaged shard."""
        return (
            f"make it anew: `hieramp verify --repair`, or delete the shard's .json and run its `{self.command}` again"
        )


def _claimed(folder: Path) -> Mapping[str, Any] | None:
    path = folder / CLAIM
    if not path.is_file():
        return None
    try:
        identity: Mapping[str, Any] = read_json(path)
        check_identity(identity)
    except ValueError:
        return None
    return identity


def _classes(folder: Path, identity: Mapping[str, Any] | None) -> tuple[ClassList | None, str | None]:
    path = folder / CLASSES
    if not path.is_file():
        return None, None
    try:
        classes = ClassList.read(path)
    except ValueError as error:
        return None, str(error)
    if identity is not None and classes_sha256(classes) != identity["plan"]["classes_sha256"]:
        return None, "not the class list that the set was made with"
    return classes, None
