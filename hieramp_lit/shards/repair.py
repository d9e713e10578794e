"""Prepare a damaged set for its own command: drop what is damaged, write anew what follows from the rest."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from hieramp_lit.files import write_bytes, write_json
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.folder import read_sidecar
from hieramp_lit.shards.format import CLAIM, MANIFEST, parse_shard_name, shard_name, sidecar_name
from hieramp_lit.shards.index import index_content
from hieramp_lit.shards.lock import FolderLock
from hieramp_lit.shards.manifest import Manifest
from hieramp_lit.shards.reader import ShardSet
from hieramp_lit.shards.set_index import SetIndex
from hieramp_lit.shards.verify import Fault


class Repair(NamedTuple):
    """What `repair` did.

    Attributes:
        rewritten: Files that follow from the rest of the set and were written anew.
        removed: Files that were removed, because they were damaged.
        shards: Numbers of the shards that have to be made again.
        needs_command: Whether the set's own command has something left to make.
    """

    rewritten: tuple[str, ...]
    removed: tuple[str, ...]
    shards: tuple[int, ...]
    needs_command: bool


def repair(folder: Path, faults: Sequence[Fault]) -> Repair:
    """Bring a set into the state of an interrupted run, which its own command carries on; or mend it altogether.

    Sidecars are written from the manifest, and files of the index from the manifest and the class list. Damaged shards
    are removed. Call it with what `find_faults` named; files that are none of the set's stay.

    Args:
        folder: The set's folder.
        faults: Its faults.

    Raises:
        ShardError: If nothing sound in the folder tells whose set it is, or a command is writing it.
        OSError: If the folder cannot be written.
    """
    lock = FolderLock(folder, first=True, key="SET")
    try:
        return _repair(folder, faults, SetIndex.read(folder))
    finally:
        lock.release()


def _repair(folder: Path, faults: Sequence[Fault], index: SetIndex) -> Repair:
    remake = sorted({fault.shard for fault in faults if fault.kind == "shard" and fault.shard is not None})
    if remake or any((folder / fault.file).exists() for fault in faults):  # else nothing can be removed
        _check_ownership(index, {shard_name(shard) for shard in remake})
    rewritten, removed = list[str](), list[str]()
    for shard in remake:  # the sidecar first: without it the shard does not count
        removed += _remove(folder, (sidecar_name(shard), shard_name(shard)))
    manifest = index.manifest
    names = list(dict.fromkeys(fault.file for fault in faults if fault.kind == "index"))
    if manifest is not None:
        if MANIFEST in names:  # the sidecars know better
            names.remove(MANIFEST)
            manifest = _with_records(manifest, folder, {fault.shard for fault in faults if fault.file == MANIFEST})
            manifest.write(folder)
            rewritten.append(MANIFEST)
        for shard in sorted({fault.shard for fault in faults if fault.kind == "sidecar" and fault.shard is not None}):
            if shard not in remake:
                write_json(folder / sidecar_name(shard), manifest.shards[shard].to_json())
                rewritten.append(sidecar_name(shard))
    if manifest is not None and index.classes is not None and not remake:
        shard_set = ShardSet(folder, manifest, index.classes)
        for name in names:
            write_bytes(folder / name, index_content(shard_set, name))
        return Repair((*rewritten, *names), tuple(removed), (), needs_command=False)
    removed += _remove(folder, names)
    unfinished = any(fault.kind == "unfinished" for fault in faults)
    return Repair(tuple(rewritten), tuple(removed), tuple(remake), bool(remake or names or unfinished))


def _with_records(manifest: Manifest, folder: Path, shards: Collection[int | None]) -> Manifest:
    """The manifest with what the sidecars of some shards say."""
    records = [
        read_sidecar(folder / sidecar_name(record.shard)) if record.shard in shards else record
        for record in manifest.shards
    ]
    return replace(manifest, shards=tuple(records))


def _check_ownership(index: SetIndex, damaged: Collection[str]) -> None:
    """Refuse to remove files where nothing sound says whose they are, or a manifest of another set does."""
    folder = index.folder
    shards = [path for path in folder.glob("*.tar") if parse_shard_name(path.name) is not None]
    sound = [path for path in shards if path.name not in damaged]
    if index.identity is None and not sound:
        raise ShardError(
            f"{folder}: neither {MANIFEST} nor {CLAIM} nor any sound shard tells whose set this is, so nothing was "
            "removed. Delete the folder and make the set anew."
        )
    hashes = set() if sound else {_identity_hash(path.with_suffix(".json")) for path in shards} - {None}
    if hashes and index.identity_hash not in hashes:
        raise ShardError(
            f"{folder}: {MANIFEST} is of another set than all shards, so nothing was removed. Put the right one back, "
            "or delete it and repair the set without it."
        )


def _identity_hash(sidecar: Path) -> str | None:
    try:
        return read_sidecar(sidecar).identity_hash
    except (OSError, ShardError):
        return None


def _remove(folder: Path, names: Sequence[str]) -> list[str]:
    there = [name for name in names if (folder / name).is_file()]
    for name in there:
        (folder / name).unlink()
    return there
