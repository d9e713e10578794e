from collections import Counter
from itertools import islice

import pytest

from hieramp_lit.data.web.dealing import deal

SIZE = 240


def turn_of(shards, readers, epoch=0, turns=1):
    """Per reader, the (shard, place) that it takes in the first turns; shards have `SIZE` samples."""
    taken = []
    for reader in range(readers):
        mine = []
        for part in deal(shards, reader, readers, 0, epoch):
            if len(mine) >= turns * shards * SIZE // readers:
                break
            mine += [(part.shard, place) for place in range(SIZE) if part.takes(place)]
        taken.append(mine)
    return taken


@pytest.mark.parametrize("shards", [1, 2, 3, 5, 8, 13, 16])
@pytest.mark.parametrize("readers", [1, 2, 3, 4, 8])
def test_a_turn_gives_each_sample_to_one_reader_and_all_equally_many(shards, readers):
    for turns in (1, 2):
        taken = turn_of(shards, readers, turns=turns)
        assert {len(mine) for mine in taken} == {turns * shards * SIZE // readers}
        counts = Counter(sample for mine in taken for sample in mine)
        assert set(counts.values()) == {turns}
        assert len(counts) == shards * SIZE


def test_few_shards_are_read_by_more_than_one_reader():
    parts = [list(islice(deal(13, reader, 4, 0, 0), 5)) for reader in range(4)]
    shared = Counter(part.shard for mine in parts for part in mine[:4] if part.modulus > 1)
    assert list(shared.values()) == [4]
    assert all(part.modulus == 1 for mine in parts for part in mine[:3])


def test_the_order_is_drawn_anew_for_each_epoch_and_seed():
    def order(seed, epoch):
        return [part.shard for part in islice(deal(12, 0, 1, seed, epoch), 24)]

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4
    assert sorted(order(0, 0)[:12]) == sorted(order(0, 0)[12:]) == list(range(12))
