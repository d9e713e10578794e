"""A set as a folder of images per class, as other evaluators of distilled sets read it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from hieramp_lit.classes import WNID, ClassList
from hieramp_lit.files import TEMPORARY_SUFFIX, fsync_folder, write_json
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.format import CLASSES, CLS, LOCK, parse_key
from hieramp_lit.shards.lock import FolderLock
from hieramp_lit.shards.reader import ShardSet

Layout = Literal["index", "wnid"]
LAYOUTS: tuple[str, ...] = get_args(Layout)


def export_folder(
    shard_set: ShardSet, out: Path, layout: Layout, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write each image, byte for byte, to ``CLASS/KEY.png`` (or ``.webp``), and the class list to ``classes.json``.

    All is written to ``.OUT.tmp`` beside `out` and renamed at the end, so that `out` is whole or absent. What a killed
    export left there is removed by the next one.

    Args:
        shard_set: The set. Each shard is compared with its checksum before it is used.
        out: New or empty folder.
        layout: ``index`` names a class's folder by its cls, ``00000``; ``wnid`` by its WordNet id.
        progress: Called with the number of shards that are written, and of all.

    Raises:
        ShardError: If `out` holds something, lies in the set's folder or is the working directory, another export
            writes it, a class has no WordNet id to be named by, or the set is damaged.
        OSError: If the disk is full or cannot be written; `out` is then as it was.
    """
    named, out = out, out.resolve()
    if out == Path.cwd():
        raise ShardError(
            f"--out={str(named)!r} is the working directory, which would be replaced. Give another folder."
        )
    if shard_set.path.resolve() in (out, *out.parents):
        raise ShardError(f"--out={str(out)!r} lies in the folder of the set that is exported. Give another one.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ShardError(f"--out={str(out)!r} exists and is not an empty folder. Give another one, or empty it.")
    folders = class_names(shard_set.classes, layout)
    temporary = out.parent / f".{out.name}{TEMPORARY_SUFFIX}"
    if temporary.is_dir() and any(temporary.iterdir()) and not (temporary / LOCK).exists():
        raise ShardError(f"{temporary} is in the way and was not left by an export. Remove it, or give another --out.")
    lock = FolderLock(temporary, first=True, key="--out")
    try:
        for left in temporary.iterdir():
            if left.name != LOCK:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        _write(shard_set, temporary, folders, progress)
        write_json(temporary / CLASSES, shard_set.classes.to_json())
        os.sync()  # once, instead of waiting for the disk at each of many small files
        lock.release()
        temporary.rename(out)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        lock.release()
    fsync_folder(out.parent)


def class_names(classes: ClassList, layout: Layout) -> list[str]:
    """Names of the classes' folders in `cls` order; none leads out of the folder, whoever wrote the class list.

    Raises:
        ShardError: If a class has no WordNet id, or two have the same.
    """
    if layout == "index":
        return [f"{entry.cls:05d}" for entry in classes.entries]
    wnids = [entry.wnid for entry in classes.entries]
    named = [wnid for wnid in wnids if wnid is not None and WNID.fullmatch(wnid)]
    if len(set(named)) < len(wnids):
        lacking = [entry.name for entry in classes.entries if wnids.count(entry.wnid) > 1 or entry.wnid not in named]
        raise ShardError(
            f"--layout wnid: {len(lacking)} class(es) have no WordNet id of their own ({', '.join(lacking[:3])}, …). "
            "Use --layout index."
        )
    return named


def _write(shard_set: ShardSet, root: Path, folders: list[str], progress: Callable[[int, int], None] | None) -> None:
    for name in folders:
        (root / name).mkdir()
    image_format = shard_set.manifest.identity["image_format"]
    rows = shard_set.classes.rows
    for done, record in enumerate(shard_set.manifest.shards, start=1):
        for key, fields in shard_set.read(record):
            try:
                row, _ = parse_key(key)  # what a tar calls a sample is no path before this
                cls = int(fields[CLS])
                if not 0 <= cls < len(rows) or rows[cls] != row:
                    raise ValueError(f"cls {cls} is not the class of row {row}")
                content = fields[image_format]
            except (ValueError, KeyError) as error:
                raise ShardError(
                    f"{record.file}: sample {key!r} is damaged ({error}). `hieramp verify` says what to do."
                ) from error
            with (root / folders[cls] / f"{key}.{image_format}").open("xb") as file:
                file.write(content)
        if progress is not None:
            progress(done, len(shard_set.manifest.shards))
