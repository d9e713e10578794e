"""Filling banks: from a shard set, decoded on all cores, or from a loader, as long as there is room."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from operator import length_hint

import torch
from lightning.pytorch.utilities import rank_zero_info

from hieramp_lit.data.bank.image_bank import ImageBank, resize_uint8
from hieramp_lit.data.bank.loading import BankBatches
from hieramp_lit.data.bank.memory import BankMemory
from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.pace import SlowLines
from hieramp_lit.shards import ShardSet
from hieramp_lit.shards.reader import ShardSample, decode_sample

CPU = torch.device("cpu")
EVALUATION_BATCH = 256
PIECE_BYTES = 2**28
"""Validation images are kept in pieces of this size at most, so that moving them takes one piece more and not all."""


def bank_shape(shards: ShardSet, image_size: int | None) -> tuple[int, int, int]:
    """Number of images, height and width of the bank that `read_bank` makes; decodes one image at most.

    Args:
        shards: The set.
        image_size: Side to resize to; None keeps the stored size.

    Raises:
        ValueError: If the set is empty.
    """
    if len(shards) == 0:
        raise ValueError(f"{shards.path}: the set holds no images.")
    if image_size is not None:
        return len(shards), image_size, image_size
    height, width = next(shards.take([0])).image.shape[:2]
    return len(shards), height, width


def read_bank(
    shards: ShardSet, image_size: int | None = None, device: torch.device = CPU, pinned: bool = False
) -> ImageBank:
    """Decode a whole set, in plan order.

    Args:
        shards: The set.
        image_size: Side to resize to; None keeps the stored size.
        device: Where the bank lies.
        pinned: See `ImageBank.empty`.

    Raises:
        ValueError: If the set is empty, or holds images of several sizes and `image_size` is None.
        ShardError: If a shard is missing, damaged, or not the one that the manifest describes.
    """
    number, *size = bank_shape(shards, image_size)
    bank = ImageBank.empty((number, 3, size[0], size[1]), CPU, pinned)
    told = SlowLines("decoded", "images of the set", rank_zero_info)
    for position, sample in enumerate(_decoded(shards)):
        image = torch.from_numpy(sample.image).permute(2, 0, 1)[None]
        if image_size is not None:
            image = resize_uint8(image, (image_size, image_size))
        if list(image.shape[2:]) != size:
            raise ValueError(
                f"{shards.path}: {sample.key} is {tuple(image.shape[2:])}, the first image is {tuple(size)}. Give "
                "data.image_size, and all are resized to it."
            )
        bank.images[position] = image[0]
        bank.labels[position] = sample.cls
        told(position + 1, number)
    return bank if device == CPU else ImageBank(bank.images.to(device), bank.labels.to(device))


def evaluation_batches(loader: Iterable[ImageBatch], memory: BankMemory, device: torch.device) -> Iterable[ImageBatch]:
    """Batches to judge a student on, again and again: of a bank if the images fit into memory, else of the loader.

    Args:
        loader: Every image once, in order.
        memory: How much the images may take.
        device: Where the bank's batches are wanted.
    """
    limit = memory.host_limit()
    pieces = _collect_within(loader, limit.bytes)
    if pieces is None:
        rank_zero_info(f"The validation images take more than {limit.text}: they are loaded anew for every evaluation.")
        return loader
    if not pieces:
        return loader
    number, size = sum(map(len, pieces)), sum(piece.images.nbytes for piece in pieces)
    where = memory.place(f"The {number} validation images", size, device, limit.bytes) or CPU
    pinned = memory.pinned(where, device)
    if where != CPU or pinned:
        for place in range(len(pieces)):  # one by one: memory that a GPU reads is taken whole at once
            pieces[place] = pieces[place].copied(where, pinned)
    return PieceBatches(pieces, EVALUATION_BATCH, device)


class PieceBatches:
    """Batches of one bank after the other; those of one bank, where all but the last one hold whole batches.

    Args:
        pieces: Banks.
        batch_size: Images of a batch.
        device: Where the batches are wanted.
    """

    def __init__(self, pieces: Sequence[ImageBank], batch_size: int, device: torch.device = CPU) -> None:
        self._batches = [BankBatches(piece, batch_size, device) for piece in pieces]

    def __len__(self) -> int:
        return sum(map(len, self._batches))

    def __iter__(self) -> Iterator[ImageBatch]:
        return chain.from_iterable(self._batches)


def _collect_within(loader: Iterable[ImageBatch], most_bytes: int) -> list[ImageBank] | None:
    """The images of a loader in pieces of whole batches, or None as soon as they take more than `most_bytes`."""
    pieces: list[ImageBank] = []
    parts: list[ImageBatch] = []
    taken = held = 0
    told, total = SlowLines("loaded", "batches of validation images", rank_zero_info), length_hint(loader)
    for place, batch in enumerate(loader, 1):
        told(place, total)
        taken += batch.image.nbytes
        if taken > most_bytes:
            return None
        full = max(PIECE_BYTES // (batch.image[0].nbytes * EVALUATION_BATCH), 1) * EVALUATION_BATCH
        start, number = 0, len(batch.label)
        while start < number:
            end = min(start + full - held, number)
            parts.append(ImageBatch(batch.image[start:end], batch.label[start:end]))
            held += end - start
            start = end
            if held == full:
                pieces.append(ImageBank.collect(parts))
                held = 0
    if parts:
        pieces.append(ImageBank.collect(parts))
    return pieces


def _decoded(shards: ShardSet) -> Iterator[ShardSample]:
    """All samples in plan order, decoded on all cores; one shard is in memory at a time."""
    with ThreadPoolExecutor() as pool:
        for record in shards.manifest.shards:
            yield from pool.map(partial(_decode, record.file), shards.read(record))


def _decode(file: str, sample: tuple[str, dict[str, bytes]]) -> ShardSample:
    return decode_sample(*sample, file)
