"""Tokens of a shard set in plan order: those that it stores, read without decoding an image, or its images encoded.

Legend: ``B`` batch · ``L`` tokens of all scales · ``S`` side in pixels.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hieramp_lit.jobs import available_cores, in_order
from hieramp_lit.shards import ShardError, ShardRecord, ShardSet
from hieramp_lit.shards.decode import decode_array
from hieramp_lit.shards.encode import resize
from hieramp_lit.shards.format import CLS, TOKENS, sample_key
from hieramp_lit.shards.image_tree import square
from hieramp_lit.shards.reader import decode_sample

MOST_THREADS = 16
AHEAD = 4
"""Images that each thread decodes ahead."""
_REMEDY = "`hieramp verify` names every fault of the set."


class TokenBatch(NamedTuple):
    """Tokens of some images.

    Attributes:
        tokens: Codebook indices, int64, shape ``(B, L)``.
        label: cls, int64, shape ``(B,)``.
    """

    tokens: Tensor
    label: Tensor


class Encode(Protocol):
    """What makes tokens of images, e.g. an `ImageEncoder`.

    Attributes:
        side: S.
        batch_size: Images to encode at once.
        sha256: Of the tokenizer's weights.
    """

    side: int
    batch_size: int
    sha256: str

    def __call__(self, image_BCSS: Tensor) -> Tensor:
        """Tokens, int64, shape ``(B, L)``, of pixels, uint8 in 0…255, shape ``(B, 3, S, S)``."""


def has_tokens(shards: ShardSet) -> bool:
    """Whether the first image of a set has tokens.

    Raises:
        ShardError: If its shard is missing or damaged.
    """
    _, fields = next(shards.read(shards.manifest.shards[0]))
    return TOKENS in fields


def stored_tokens(shards: ShardSet, threads: int | None = None) -> Iterator[TokenBatch]:
    """The tokens that a set stores, a batch a shard; no image is decoded.

    Shards are compared with the manifest and read on several threads, since checksums and reading let others run.

    Args:
        shards: The set.
        threads: How many; None takes the cores there are, 16 at most.

    Raises:
        ShardError: If a shard is damaged, a sample is not where the plan has it, or some have no tokens or another
            number of them.
    """
    threads = threads or min(MOST_THREADS, available_cores())
    rows = shards.manifest.rows
    calls = (partial(_read_tokens, shards, record, rows) for record in shards.manifest.shards)
    for tokens_BL, label_B in in_order(calls, threads, threads + 1):
        yield TokenBatch(torch.from_numpy(tokens_BL.astype(np.int64)), torch.from_numpy(label_B))


def encoded_tokens(shards: ShardSet, encode: Encode) -> Iterator[TokenBatch]:
    """The images of a set as tokens of a tokenizer, whatever tokens the set stores.

    An image of another size is brought to the tokenizer's: the largest square in the centre, by Lanczos.

    Args:
        shards: The set.
        encode: Encodes them.

    Raises:
        ShardError: If a shard is damaged, or a sample is not where the plan has it.
    """
    threads = min(MOST_THREADS, available_cores())
    decoded = in_order(_images(shards, encode.side), threads, AHEAD * threads)
    while some := list(islice(decoded, encode.batch_size)):
        pixels = np.stack([image for image, _ in some]).transpose(0, 3, 1, 2)
        tokens_BL = encode(torch.from_numpy(np.ascontiguousarray(pixels)))
        yield TokenBatch(tokens_BL.cpu(), torch.tensor([cls for _, cls in some]))


def _read_tokens(
    shards: ShardSet, record: ShardRecord, rows: list[int]
) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    found: list[NDArray[np.uint16]] = []
    label: list[int] = []
    for cls, key, fields in _samples(shards, record, rows):
        if TOKENS not in fields:
            raise ShardError(f"{shards.path / record.file}: sample {key} has no tokens, others have. {_REMEDY}")
        try:
            found.append(decode_array(fields[TOKENS], np.uint16, 1))
        except ValueError as error:
            raise ShardError(f"{shards.path / record.file}: sample {key}: {error}. {_REMEDY}") from error
        label.append(cls)
        if len(found[-1]) != len(found[0]):
            raise ShardError(
                f"{shards.path / record.file}: sample {key} has {len(found[-1])} tokens, the first one "
                f"{len(found[0])}. {_REMEDY}"
            )
    return np.stack(found), np.array(label)


def _images(shards: ShardSet, side: int) -> Iterator[Callable[[], tuple[NDArray[np.uint8], int]]]:
    rows = shards.manifest.rows
    for record in shards.manifest.shards:
        for cls, key, fields in _samples(shards, record, rows):
            yield partial(_sized, key, fields, record.file, cls, side)


def _sized(key: str, fields: dict[str, bytes], file: str, cls: int, side: int) -> tuple[NDArray[np.uint8], int]:
    return resize(square(decode_sample(key, fields, file).image), side), cls


def _samples(shards: ShardSet, record: ShardRecord, rows: list[int]) -> Iterator[tuple[int, str, dict[str, bytes]]]:
    """Undecoded samples with their cls, which is that of the plan: a sample elsewhere would count for another class."""
    each = shards.manifest.images_per_class
    for position, (key, fields) in enumerate(shards.read(record), start=record.shard * shards.manifest.shard_size):
        cls, index = divmod(position, each)
        planned = sample_key(rows[cls], index)
        if key != planned or fields.get(CLS) != str(cls).encode():
            raise ShardError(
                f"{shards.path / record.file}: sample {key} of cls {fields.get(CLS, b'')[:9]!r} where the plan has "
                f"{planned} of cls {cls}. {_REMEDY}"
            )
        yield cls, key, fields
