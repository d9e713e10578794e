"""The shard format in one place: file names, sample keys, field names and versions.

A *shard set* is a folder of tar files in the webdataset convention (files of one sample share the name up to the
first dot), each with a sidecar that says it is complete, and one manifest that says the whole set is.
"""

import re
from typing import Literal, get_args

FORMAT_NAME = "hieramp-shards"
FORMAT_VERSION = 1
SPLIT = "train"

MANIFEST = "manifest.json"
CLASSES = "classes.json"
TIMM_INFO = "_info.json"
CARD = "README.md"
CONTACT_SHEET = "contact_sheet.png"
INDEX_FILES = (CLASSES, TIMM_INFO, CARD, CONTACT_SHEET, MANIFEST)
"""Files of a finished set beside shards and sidecars; the manifest is written last."""

CLAIM = ".identity.json"
"""Identity of a set that is still being made; the manifest takes its place."""

LOCK = ".lock"
"""What the processes that make a set hold; gone when they end."""

ImageFormat = Literal["png", "webp"]
IMAGE_FORMATS: tuple[str, ...] = get_args(ImageFormat)

CLS = "cls"
JSON = "json"
TOKENS = "tokens.npy"
SALIENCY = "saliency.npy"

_KEY = re.compile(r"r(\d{5,})_(\d{5,})")
_SHARD = re.compile(rf"{SPLIT}-(\d{{6,}})\.tar")


def sample_key(row: int, index: int) -> str:
    """Key of a sample: ``r00207_00003`` is image 3 of class row 207. No dots, which would split the sample.

    Args:
        row: Class row, at least 0.
        index: Index of the image within its class, at least 0.
    """
    return f"r{row:05d}_{index:05d}"


def parse_key(key: str) -> tuple[int, int]:
    """Class row and index of a key.

    Raises:
        ValueError: If `key` is not what `sample_key` writes.
    """
    match = _KEY.fullmatch(key)
    if match is None or sample_key(int(match[1]), int(match[2])) != key:
        raise ValueError(f"Bad sample key {key!r}: expected r<class row>_<index>, as in 'r00207_00003'.")
    return int(match[1]), int(match[2])


def shard_name(shard: int) -> str:
    """File name of a shard: ``train-000000.tar``."""
    return f"{SPLIT}-{shard:06d}.tar"


def sidecar_name(shard: int) -> str:
    """File name of a shard's sidecar: ``train-000000.json``."""
    return f"{SPLIT}-{shard:06d}.json"


def parse_shard_name(name: str) -> int | None:
    """Number of a shard from its file name; None if it is another file."""
    match = _SHARD.fullmatch(name)
    return int(match[1]) if match and shard_name(int(match[1])) == name else None
