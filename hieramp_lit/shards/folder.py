"""The folder of a set while it is being made: who it belongs to, and which shards are already complete."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from hieramp_lit.files import TEMPORARY_SUFFIX, read_json, write_json
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.format import CLAIM, INDEX_FILES, MANIFEST, parse_shard_name, shard_name, sidecar_name
from hieramp_lit.shards.identity import differences, identity_hash
from hieramp_lit.shards.writer import ShardRecord

_MOST_SIDECAR_BYTES = 2**16
_READERS = 16
"""Threads that read sidecars: on a network file system each of tens of thousands takes a round trip."""


def check_folder(folder: Path, identity: Mapping[str, Any], key: str = "model.output") -> None:
    """Refuse a folder that holds anything but (a part of) the set that `identity` describes. Writes nothing.

    Args:
        folder: The set's folder.
        identity: See `set_identity`.
        key: Configuration key or argument to name in errors.

    Raises:
        ShardError: Naming each key that differs, or the foreign files.
    """
    if folder.exists() and not folder.is_dir():
        raise ShardError(f"{key}={str(folder)!r} is a file. Give a folder; it is created when it does not exist.")
    stored = _stored_identity(folder)
    if stored is not None:
        different = differences(stored, dict(identity))
        if different:
            raise ShardError(
                f"{key}={str(folder)!r} holds a set made with another configuration:\n  "
                + "\n  ".join(different)
                + f"\nGive another `{key}`, or delete the folder to make the set anew."
            )
        return
    shards, expected = list(_shard_files(folder)), identity_hash(identity)
    foreign = sorted(path.name for path in shards if not _belongs_to(path, expected))
    if foreign:
        raise ShardError(
            f"{key}={str(folder)!r} has shards of unknown origin ({', '.join(foreign[:3])}, …) and neither "
            f"{MANIFEST} nor {CLAIM}. They would be overwritten: give another `{key}`, or delete them."
        )
    own = [name for name in INDEX_FILES if not shards and (folder / name).exists()]
    if own:
        raise ShardError(
            f"{key}={str(folder)!r} is no set but has {', '.join(own)}, which would be overwritten: give a "
            f"folder of its own as `{key}`."
        )


def claim_folder(
    folder: Path, identity: Mapping[str, Any], num_shards: int, key: str = "model.output"
) -> list[ShardRecord]:
    """Make the folder ours: create it, sweep what a killed run left behind, and write down the identity.

    Call this in one process only, which holds a `FolderLock`. The folder is checked again: another command may have
    written to it before the lock was had. A finished set stays as it is; one that lost a shard or a file of its index
    goes back to being made.

    Args:
        folder: The set's folder.
        identity: See `set_identity`.
        num_shards: Number of shards that the plan has.
        key: Configuration key or argument to name in errors.

    Returns:
        Records of the shards that are complete.

    Raises:
        ShardError: If the folder holds something else, or a sidecar is damaged.
        OSError: If the folder cannot be created or written.
    """
    check_folder(folder, identity, key)
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        if _is_ours(stale.name.removeprefix(".").removesuffix(TEMPORARY_SUFFIX)):
            stale.unlink()
    records = complete_shards(folder, num_shards, identity)
    if len(records) == num_shards and _has_index(folder):
        release_claim(folder)
    else:
        write_json(folder / CLAIM, dict(identity))
        (folder / MANIFEST).unlink(missing_ok=True)
    return records


def finished_shards(
    folder: Path, identity: Mapping[str, Any], num_shards: int, key: str = "model.output"
) -> list[ShardRecord] | None:
    """Records of a set that lacks nothing, so that nothing need be written; None if something is missing.

    Args:
        folder: The set's folder.
        identity: See `set_identity`.
        num_shards: Number of shards that the plan has.
        key: Configuration key or argument to name in errors.

    Raises:
        ShardError: If the folder holds something else, or a sidecar is damaged.
    """
    if not _has_index(folder):
        return None
    check_folder(folder, identity, key)
    records = complete_shards(folder, num_shards, identity)
    return records if len(records) == num_shards else None


def release_claim(folder: Path) -> None:
    """Remove the claim once the manifest is there."""
    (folder / CLAIM).unlink(missing_ok=True)


def complete_shards(folder: Path, num_shards: int, identity: Mapping[str, Any]) -> list[ShardRecord]:
    """Records of the shards that are complete: sidecar there, of this identity, and a tar file of its size.

    Checksums are not read again here, which would take as long as copying the set; `ShardSet.verify` does it.

    Args:
        folder: The set's folder.
        num_shards: Number of shards that the plan has.
        identity: The set's identity.

    Raises:
        ShardError: If a sidecar is damaged or belongs to another configuration.
    """
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    made = [n for n in range(num_shards) if sidecar_name(n) in present and shard_name(n) in present]
    with ThreadPoolExecutor(_READERS) as pool:
        records = list(pool.map(partial(_complete_shard, folder, identity_hash(identity)), made))
    return [record for record in records if record is not None]


def _complete_shard(folder: Path, expected: str, shard: int) -> ShardRecord | None:
    sidecar, tar = folder / sidecar_name(shard), folder / shard_name(shard)
    record = read_sidecar(sidecar)
    if record.identity_hash != expected:
        raise ShardError(
            f"{sidecar} belongs to another configuration (identity {record.identity_hash[:12]}…, this run "
            f"{expected[:12]}…). Give another `model.output`, or delete the folder."
        )
    return record if record.shard == shard and record.bytes == tar.stat().st_size else None


def read_sidecar(path: Path) -> ShardRecord:
    """Read a sidecar.

    Raises:
        ShardError: If it is no sidecar.
    """
    try:
        return ShardRecord.from_json(read_json(path, _MOST_SIDECAR_BYTES), str(path))
    except ValueError as error:
        raise ShardError(
            f"{path} is no sidecar ({error}). Delete it and run the set's `hieramp predict` again."
        ) from error


def _stored_identity(folder: Path) -> dict[str, Any] | None:
    for name, key in ((MANIFEST, "identity"), (CLAIM, None)):
        path = folder / name
        if path.is_file():
            try:
                value = read_json(path)
                identity: dict[str, Any] = dict(value[key] if key else value)
            except (ValueError, KeyError, TypeError) as error:
                raise ShardError(f"{path} is damaged ({error}). Give another `model.output`, or delete it.") from error
            return identity
    return None


def _shard_files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.tar") if parse_shard_name(path.name) is not None]


def _has_index(folder: Path) -> bool:
    return all((folder / name).is_file() for name in INDEX_FILES)


def _belongs_to(tar: Path, expected: str) -> bool:
    sidecar = tar.with_suffix(".json")
    return sidecar.is_file() and read_sidecar(sidecar).identity_hash == expected


def _is_ours(name: str) -> bool:
    shard_file = parse_shard_name(f"{Path(name).stem}.tar") is not None and Path(name).suffix in {".tar", ".json"}
    return shard_file or name in INDEX_FILES or name == CLAIM
