"""Which shards, and which samples of them, each reader of a stream takes in an epoch.

Nobody knows how many samples a shard has before it was read, so whole shards are dealt, in an order drawn anew: each
reader gets equally many. What is left of them, fewer than there are readers, is shared: a shard's samples are counted
off among the readers that have a part of it, and each of these reads the shard. So a turn gives every sample of every
shard to exactly one reader, and readers have equal shares but for the sizes of their shards.
"""

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import torch

from hieramp_lit.seeds import stream


class Part(NamedTuple):
    """What one reader takes of a shard.

    Attributes:
        shard: Number of the shard.
        residues: Samples whose place in the shard, modulo `modulus`, is one of these.
        modulus: See `residues`; 1 where the shard is taken whole.
    """

    shard: int
    residues: frozenset[int] = frozenset({0})
    modulus: int = 1

    def takes(self, place: int) -> bool:
        """Whether the sample at this place of the shard is the reader's."""
        return place % self.modulus in self.residues


def deal(num_shards: int, reader: int, num_readers: int, seed: int, epoch: int) -> Iterator[Part]:
    """What a reader takes, turn after turn, without end.

    Args:
        num_shards: Number of shards.
        reader: Number of the reader, among those of all devices.
        num_readers: Number of readers of all devices.
        seed: Of the order.
        epoch: The epoch.
    """
    whole = num_shards // num_readers * num_readers
    left = num_shards - whole
    for turn in count():
        order = torch.randperm(num_shards, generator=stream("shards", seed, epoch, turn)).tolist()
        for place in range(reader, whole, num_readers):
            yield Part(order[place])
        # each shard that is left has num_readers parts, each reader takes as many as there are such shards
        for i in range(left):
            first, last = max(reader * left, i * num_readers), min((reader + 1) * left, (i + 1) * num_readers)
            if first < last:
                parts = torch.randperm(num_readers, generator=stream("parts", seed, epoch, turn, i)).tolist()
                mine = frozenset(parts[first - i * num_readers : last - i * num_readers])
                yield Part(order[whole + i], mine, num_readers)
