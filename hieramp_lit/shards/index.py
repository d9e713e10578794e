"""The files that turn complete shards into a finished set: class list, timm's index, card, contact sheet, manifest."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hieramp_lit.classes import ClassList
from hieramp_lit.files import write_bytes, write_json, write_text
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
    write_json(folder / CLASSES, classes.to_json())
    write_json(folder / TIMM_INFO, timm_info(records))
    write_text(folder / CARD, dataset_card(shard_set))
    picture = io.BytesIO()
    contact_sheet(shard_set).save(picture, format="PNG")
    write_bytes(folder / CONTACT_SHEET, picture.getvalue())
    manifest.write(folder)
    release_claim(folder)
    return shard_set


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
