"""The files that turn complete shards into a finished set: class list, timm's index, card, contact sheet, manifest."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hieramp_lit.classes import ClassList
from hieramp_lit.files import format_json, write_bytes
from hieramp_lit.shards import format
from hieramp_lit.shards.card import dataset_card
from hieramp_lit.shards.contact_sheet import contact_sheet
from hieramp_lit.shards.folder import release_claim
from hieramp_lit.shards.format import CARD, CLASSES, CONTACT_SHEET, SPLIT, TIMM_INFO
from hieramp_lit.shards.manifest import Manifest, package_versions
from hieramp_lit.shards.reader import ShardSet
from hieramp_lit.shards.writer import ShardRecord


def finish_set(
    folder: Path, identity: Mapping[str, Any], classes: ClassList, records: Sequence[ShardRecord]
) -> ShardSet:
    """Write the index of a set whose shards are all complete; the manifest comes last, then the claim goes.

    Args:
        folder: The set's folder.
        identity: See `set_identity`.
        classes: The set's class list.
        records: One record a shard, in order.

    Raises:
        OSError: If the folder cannot be written; the shards stay complete.
    """
    manifest = Manifest(identity=identity, shards=tuple(records), versions=package_versions())
    shard_set = ShardSet(path=folder, manifest=manifest, classes=classes)
    for name in (CLASSES, TIMM_INFO, CARD, CONTACT_SHEET):
        write_bytes(folder / name, index_content(shard_set, name))
    manifest.write(folder)
    release_claim(folder)
    return shard_set


def index_content(shard_set: ShardSet, name: str) -> bytes:
    """What a file of the index holds, the manifest apart.

    Args:
        shard_set: The set; its shards are read for the contact sheet alone.
        name: One of `INDEX_FILES`.

    Raises:
        ValueError: For another name.
        ShardError: If a shard that the contact sheet shows is damaged.
    """
    match name:
        case format.CLASSES:
            return format_json(shard_set.classes.to_json()).encode()
        case format.TIMM_INFO:
            return format_json(timm_info(shard_set.manifest.shards)).encode()
        case format.CARD:
            return dataset_card(shard_set).encode()
        case format.CONTACT_SHEET:
            picture = io.BytesIO()
            contact_sheet(shard_set).save(picture, format="PNG")
            return picture.getvalue()
    raise ValueError(f"{name!r} is no file of the index that follows from the others.")


def timm_info(records: Sequence[ShardRecord]) -> dict[str, Any]:
    """The `_info.json` that timm's ``create_dataset("wds/…", split="train")`` reads."""
    return {
        "splits": {
            SPLIT: {
                "name": SPLIT,
                "num_samples": sum(record.samples for record in records),
                "filenames": [record.file for record in records],
                "shard_lengths": [record.samples for record in records],
            }
        }
    }
