"""The batches that travel between data modules, tasks and callbacks.

NamedTuples, because Lightning's device transfer and `default_collate` both take them.
Legend: ``B`` batch · ``H W`` pixels · ``L`` tokens of all scales.
"""

from typing import NamedTuple

from torch import Tensor


class ImageBatch(NamedTuple):
    """Images with labels, for tuning, tokenizer training and evaluation.

    Attributes:
        image: RGB pixels, uint8 in 0…255, shape ``(B, 3, H, W)``. Tasks convert on the device.
        label: int64, shape ``(B,)``. The *class row* for generators, *cls* (0…classes-1) for students.
    """

    image: Tensor
    label: Tensor


class TokenBatch(NamedTuple):
    """Tokens with labels, for tuning from a cache.

    Attributes:
        tokens: Codebook indices, int64, shape ``(B, L)``.
        label: Class rows, int64, shape ``(B,)``.
    """

    tokens: Tensor
    label: Tensor


class TokenizationBatch(NamedTuple):
    """Images on their way into a token cache. They all belong to one shard.

    Attributes:
        image: RGB pixels, uint8 in 0…255, shape ``(B, 3, H, W)``.
        label: Class rows, int64, shape ``(B,)``.
        shard: Number of the shard in the cache.
        start: Place of the first image in the shard.
    """

    image: Tensor
    label: Tensor
    shard: int
    start: int


class PlanBatch(NamedTuple):
    """One micro-batch of the generation plan. It never crosses a shard.

    Attributes:
        row: Class rows (row of the generator's label embedding), int64, shape ``(B,)``.
        cls: Index in the set's own class list, int64, shape ``(B,)``.
        image_index: Index of the image within its class, int64, shape ``(B,)``.
        seed: The set's ``generate.seed``, int64, shape ``(B,)``, the same number B times.
        shard: Global shard number, int64, shape ``(B,)``, the same number B times.
        position: Position of each sample in its shard, int64, shape ``(B,)``, ascending.
    """

    row: Tensor
    cls: Tensor
    image_index: Tensor
    seed: Tensor
    shard: Tensor
    position: Tensor
