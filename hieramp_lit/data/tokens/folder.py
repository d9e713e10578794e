"""The folder of a token cache while it is being made: whose it is, which shards are complete, and writing them."""

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.utilities import rank_zero_warn
from numpy.typing import NDArray

from hieramp_lit.classes import ClassList
from hieramp_lit.data.tokens.cache import (
    FORMAT,
    LABEL_TYPE,
    TOKEN_TYPE,
    TokenCacheError,
    TokenShardRecord,
    damaged_files,
    labels_name,
    sidecar_name,
    tokens_name,
)
from hieramp_lit.data.tokens.layout import TokenLayout, TokenShard
from hieramp_lit.files import TEMPORARY_SUFFIX, read_json, sha256, write_bytes, write_json
from hieramp_lit.shards.format import CLAIM, CLASSES, MANIFEST
from hieramp_lit.shards.identity import differences, identity_hash
from hieramp_lit.shards.manifest import package_versions

INDEX_FILES = (CLASSES, MANIFEST)
"""Files of a finished cache beside its shards; the manifest is written last."""

_MOST_SIDECAR_BYTES = 2**16
_SHARD_FILE = re.compile(r"(train|val)-view\d{2,}-\d{6,}\.(tokens\.npy|labels\.npy|json)")


def check_folder(folder: Path, identity: Mapping[str, Any]) -> None:
    """Refuse a folder that holds anything but (a part of) the cache that `identity` describes. Writes nothing.

    Raises:
        TokenCacheError: Naming each key that differs, or the foreign files.
    """
    if folder.exists() and not folder.is_dir():
        raise TokenCacheError(f"model.output={str(folder)!r} is a file. Give a folder; it is created when missing.")
    stored = _stored_identity(folder)
    if stored is not None:
        different = differences(stored, dict(identity))
        if different:
            raise TokenCacheError(
                f"model.output={str(folder)!r} holds tokens made in another way:\n  "
                + "\n  ".join(different)
                + "\nGive another `model.output`, or delete the folder to make the cache anew."
            )
        return
    ours = {path.stem for path in folder.glob("*.json") if _belongs_to(path, identity)}
    shards = [path.name for path in sorted(folder.glob("*")) if _SHARD_FILE.fullmatch(path.name)]
    foreign = [name for name in shards if name.split(".")[0] not in ours]
    foreign += [name for name in INDEX_FILES if not ours and (folder / name).exists()]
    if foreign:
        raise TokenCacheError(
            f"model.output={str(folder)!r} has files of unknown origin that would be overwritten "
            f"({', '.join(foreign[:3])}), and neither {MANIFEST} nor {CLAIM}. Give another `model.output`, or delete "
            "them."
        )


def claim_folder(folder: Path, identity: Mapping[str, Any], layout: TokenLayout) -> list[TokenShardRecord]:
    """Make the folder ours: create it, sweep what a killed run left behind, and write down the identity.

    Call this in one process only, which holds a `FolderLock`. A finished cache stays as it is; one that lost a file, or
    has a damaged one, goes back to being made.

    Returns:
        Records of the shards that are complete and whose files have their checksums.

    Raises:
        TokenCacheError: If the folder holds something else, or a sidecar is damaged.
        OSError: If the folder cannot be created or written.
    """
    check_folder(folder, identity)  # again: another command may have written before the lock was had
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        name = stale.name.removeprefix(".").removesuffix(TEMPORARY_SUFFIX)
        if _SHARD_FILE.fullmatch(name) or name in INDEX_FILES or name == CLAIM:
            stale.unlink()
    complete = complete_shards(folder, identity, layout)
    damaged = damaged_files(folder, complete)
    records = [record for record, names in zip(complete, damaged, strict=True) if not names]
    if len(records) < len(complete):
        named = ", ".join(name for names in damaged for name in names)
        rank_zero_warn(f"model.output={str(folder)!r} has damaged files, whose shards are made anew: {named}.")
    if len(records) == len(layout.shards) and all((folder / name).is_file() for name in INDEX_FILES):
        (folder / CLAIM).unlink(missing_ok=True)
    else:
        write_json(folder / CLAIM, dict(identity))
        (folder / MANIFEST).unlink(missing_ok=True)
    return records


def finished_shards(folder: Path, identity: Mapping[str, Any], layout: TokenLayout) -> list[TokenShardRecord] | None:
    """Records of a cache that lacks nothing and whose files have their checksums; None if something is to be made.

    Raises:
        TokenCacheError: If the folder holds something else, or a sidecar is damaged.
    """
    if not all((folder / name).is_file() for name in INDEX_FILES):
        return None
    check_folder(folder, identity)
    records = complete_shards(folder, identity, layout)
    whole = len(records) == len(layout.shards) and not any(damaged_files(folder, records))
    return records if whole else None


def complete_shards(folder: Path, identity: Mapping[str, Any], layout: TokenLayout) -> list[TokenShardRecord]:
    """Records of the shards that are complete: sidecar there, of this identity, and both files of their size.

    Raises:
        TokenCacheError: If a sidecar is damaged.
    """
    expected = identity_hash(identity)
    records = []
    for shard in layout.shards:
        sidecar = folder / sidecar_name(shard.name)
        if sidecar.is_file():
            record = _read_sidecar(sidecar)
            if (record.name, record.samples, record.identity_hash) == (shard.name, shard.samples, expected):
                records += [record] * record.is_in(folder)
    return records


def write_shard(
    folder: Path,
    shard: TokenShard,
    tokens: NDArray[np.uint16],
    labels: NDArray[np.int64],
    identity: Mapping[str, Any],
) -> TokenShardRecord:
    """Write one shard: tokens, labels, then the sidecar, each whole or not at all.

    Args:
        folder: The cache's folder.
        shard: Which one.
        tokens: Shape ``(samples, L)``.
        labels: Class rows, shape ``(samples,)``.
        identity: The cache's identity.

    Raises:
        OSError: If the disk is full. The shard then counts as not made.
    """
    (folder / sidecar_name(shard.name)).unlink(missing_ok=True)
    names = tokens_name(shard.name), labels_name(shard.name)
    arrays: tuple[NDArray[Any], ...] = (tokens.astype(TOKEN_TYPE), labels.astype(LABEL_TYPE))
    for name, array in zip(names, arrays, strict=True):
        content = io.BytesIO()  # numpy's own writing to a full disk raises an error without a number
        np.save(content, array, allow_pickle=False)
        write_bytes(folder / name, content.getvalue())
    sizes = [(folder / name).stat().st_size for name in names]
    sums = [sha256(folder / name) for name in names]
    record = TokenShardRecord(shard.name, len(labels), sizes[0], sums[0], sizes[1], sums[1], identity_hash(identity))
    write_json(folder / sidecar_name(shard.name), record.to_json())
    return record


def finish_cache(
    folder: Path,
    identity: Mapping[str, Any],
    layout: TokenLayout,
    tokens_per_sample: int,
    classes: ClassList,
    records: Sequence[TokenShardRecord],
) -> None:
    """Write class list and manifest of a cache whose shards are all complete; then the claim goes.

    Raises:
        OSError: If the folder cannot be written; the shards stay complete.
    """
    classes.write(folder / CLASSES)
    manifest = {
        "format": FORMAT,
        "identity": dict(identity),
        "identity_hash": identity_hash(identity),
        "samples": {"train": layout.train, "val": layout.val},
        "views": layout.views,
        "tokens_per_sample": tokens_per_sample,
        "shards": [record.to_json() for record in records],
        "versions": package_versions(),
    }
    write_json(folder / MANIFEST, manifest)
    (folder / CLAIM).unlink(missing_ok=True)


def _read_sidecar(path: Path) -> TokenShardRecord:
    try:
        value = read_json(path, _MOST_SIDECAR_BYTES)
    except ValueError as error:
        raise TokenCacheError(f"{path} is damaged ({error}). Delete it and run the command again.") from error
    return TokenShardRecord.from_json(value, str(path))


def _belongs_to(sidecar: Path, identity: Mapping[str, Any]) -> bool:
    return _SHARD_FILE.fullmatch(sidecar.name) is not None and (
        _read_sidecar(sidecar).identity_hash == identity_hash(identity)
    )


def _stored_identity(folder: Path) -> dict[str, Any] | None:
    for name, key in ((MANIFEST, "identity"), (CLAIM, None)):
        path = folder / name
        if path.is_file():
            try:
                value = read_json(path)
                identity: dict[str, Any] = dict(value[key] if key else value)
            except (ValueError, KeyError, TypeError) as error:
                raise TokenCacheError(
                    f"{path} is damaged or of something else ({type(error).__name__}: {error}). Give another "
                    "`model.output`, or delete it."
                ) from error
            return identity
    return None
