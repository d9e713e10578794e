"""Anybody's distilled data, a folder of images per class, as a shard set that students, `verify` and reports read."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hieramp_lit.classes import ClassList
from hieramp_lit.shards.decode import decode_image
from hieramp_lit.shards.encode import encode_json, encode_sample, resize
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.folder import claim_folder, finished_shards
from hieramp_lit.shards.format import CLS, JSON
from hieramp_lit.shards.identity import IMPORTED, content_sha256, identity_hash, provenance, set_identity
from hieramp_lit.shards.image_tree import FORMATS, TreeImage, check_sizes, list_images, match_folders, read_file, square
from hieramp_lit.shards.index import finish_set
from hieramp_lit.shards.lock import FolderLock
from hieramp_lit.shards.reader import ShardSet
from hieramp_lit.shards.writer import ShardFile, ShardRecord

_KEY = "--out"


class Imported(NamedTuple):
    """What an import made.

    Attributes:
        shard_set: The set.
        kept: Images that are stored byte for byte.
        encoded: Images that were encoded as PNG anew, of the same pixels unless they were resized.
        resized: Images that were resized.
    """

    shard_set: ShardSet
    kept: int
    encoded: int
    resized: int


def import_folder(
    root: Path,
    out: Path,
    classes: ClassList,
    *,
    generator: str = IMPORTED,
    images_per_class: int | None = None,
    image_size: int | None = None,
    shard_size: int = 250,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Make a set of the images of a folder.

    An 8-bit RGB PNG of the right size is stored byte for byte, everything else as PNG of the same pixels. The samples'
    provenance says ``imported``, with the checksum of all files; there are no weights. The same command goes on where
    it stopped, and makes a damaged shard anew.

    Args:
        root: Folder with one folder of images per class, see `match_folders`.
        out: Folder of the set.
        classes: Classes, some or all of which the folders are.
        generator: What made the images, for tables.
        images_per_class: How many of each class to take, in the order of their names; None takes all.
        image_size: Side in pixels that images are brought to: the largest square in the centre, by Lanczos. None
            wants images of one size.
        shard_size: Images a shard.
        seed: Seed that the images were made with, for tables.
        progress: Called with the number of shards that are written, and of all.

    Raises:
        ShardError: If the folder does not fit the classes, an image is unreadable, sizes or numbers differ, or `out`
            holds something else.
        ValueError: If a number is impossible.
        OSError: If the disk is full; complete shards stay.
    """
    if shard_size < 1 or not 0 <= seed < 2**63 or not generator:
        raise ValueError(
            f"--shard_size {shard_size}, --seed {seed}, --generator {generator!r}: at least 1, 0 and a name."
        )
    if root.resolve() in (out.resolve(), *out.resolve().parents):
        raise ShardError(f"--out={str(out)!r} lies in the folder that is imported. Give another one.")
    classes, folders = match_folders(root, classes)
    members = list_images(classes, folders, images_per_class)
    if image_size is None:
        check_sizes(members)
    images = [image for of_class in members for image in of_class]
    identity = set_identity(
        generator=generator,
        configuration={IMPORTED: {"images": len(images), "sha256": _checksum(images)}},
        classes=classes,
        images_per_class=len(members[0]),
        shard_size=shard_size,
        seed=seed,
        save_size=image_size,
        precision=IMPORTED,
    )
    num_shards = -(-len(images) // shard_size)
    kept = sum(_is_kept(image, image_size) for image in images)
    resized = sum(image_size is not None and image.size != (image_size, image_size) for image in images)
    if finished_shards(out, identity, num_shards, key=_KEY) is None:
        lock = FolderLock(out, first=True, key=_KEY)
        try:
            done = {record.shard: record for record in claim_folder(out, identity, num_shards, key=_KEY)}
            for number in range(num_shards):
                if number not in done:
                    done[number] = _write_shard(out, number, images, classes, identity)
                if progress is not None:
                    progress(number + 1, num_shards)
            finish_set(out, identity, classes, [done[number] for number in range(num_shards)])
        finally:
            lock.release()
    return Imported(ShardSet.open(out), kept, len(images) - kept, resized)


def _write_shard(
    out: Path, number: int, images: Sequence[TreeImage], classes: ClassList, identity: dict[str, Any]
) -> ShardRecord:
    size, per_class = identity["plan"]["shard_size"], identity["plan"]["images_per_class"]
    positions = range(number * size, min((number + 1) * size, len(images)))
    shard = ShardFile(out, number, identity_hash(identity))
    try:
        with ThreadPoolExecutor() as pool:
            for position, image in zip(
                positions,
                pool.map(partial(_stored, image_size=identity["save_size"]), [images[p] for p in positions]),
                strict=True,
            ):
                cls, index = divmod(position, per_class)
                origin = provenance(identity, classes.entries[cls], index)
                shard.add(origin["key"], {"png": image, CLS: str(cls).encode(), JSON: encode_json(origin)})
        return shard.commit()
    except BaseException:
        shard.abort()
        raise


def _stored(image: TreeImage, image_size: int | None) -> bytes:
    content = read_file(image.path)
    if hashlib.sha256(content).hexdigest() != image.sha256:
        raise ShardError(f"{image.path} changed while it was imported. Run the command again when it is at rest.")
    if _is_kept(image, image_size):
        return content
    pixels = decode_image(content, FORMATS)
    if image_size is not None and pixels.shape[:2] != (image_size, image_size):
        pixels = resize(square(pixels), image_size)
    return encode_sample(pixels, 0, {})["png"]


def _is_kept(image: TreeImage, image_size: int | None) -> bool:
    return image.is_stored_form and (image_size is None or image.size == (image_size, image_size))


def _checksum(images: Sequence[TreeImage]) -> str:
    """One checksum over all files in plan order; their names do not matter."""
    return content_sha256(encode_json([image.sha256 for image in images]))
