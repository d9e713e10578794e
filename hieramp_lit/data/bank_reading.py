"""Filling banks: from a shard set, decoded on all cores, or from a loader, as long as there is room."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch
from lightning.pytorch.utilities import rank_zero_info

from hieramp_lit.data.bank import ImageBank, resize_uint8
from hieramp_lit.data.bank_loading import BankBatches
from hieramp_lit.data.bank_memory import BankMemory
from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.shards import ShardSet
from hieramp_lit.shards.reader import ShardSample, decode_sample

CPU = torch.device("cpu")
EVALUATION_BATCH = 256


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
    return bank if device == CPU else ImageBank(bank.images.to(device), bank.labels.to(device))


def evaluation_batches(loader: Iterable[ImageBatch], memory: BankMemory, device: torch.device) -> Iterable[ImageBatch]:
    """Batches to judge a student on, again and again: of a bank if the images fit into memory, else of the loader.

    Args:
        loader: Every image once, in order.
        memory: How much the images may take.
        device: Where the bank's batches are wanted.
    """
    parts = _collect_within(loader, memory.host_bytes)
    if parts is None:
        rank_zero_info(
            f"The validation images take more than {memory.host_gib} GiB of memory (data.max_host_gib): they are "
            "loaded anew for every evaluation."
        )
        return loader
    if not parts:
        return loader
    number, size = sum(len(part.label) for part in parts), sum(part.image.nbytes for part in parts)
    where = memory.place(f"The {number} validation images", size, device) or CPU
    return BankBatches(ImageBank.collect(parts, where, memory.pinned(where, device)), EVALUATION_BATCH, device)


def _collect_within(loader: Iterable[ImageBatch], most_bytes: int) -> list[ImageBatch] | None:
    """The batches of a loader, or None as soon as their images take more than `most_bytes`."""
    batches: list[ImageBatch] = []
    taken = 0
    for batch in loader:
        taken += batch.image.nbytes
        if taken > most_bytes:
            return None
        batches.append(batch)
    return batches


def _decoded(shards: ShardSet) -> Iterator[ShardSample]:
    """All samples in plan order, decoded on all cores; one shard is in memory at a time."""
    with ThreadPoolExecutor() as pool:
        for record in shards.manifest.shards:
            yield from pool.map(partial(_decode, record.file), shards.read(record))


def _decode(file: str, sample: tuple[str, dict[str, bytes]]) -> ShardSample:
    return decode_sample(*sample, file)
