import pytest
from hypothesis import given
from hypothesis import strategies as st

from hieramp_lit.data.tokens.layout import TokenLayout

LAYOUTS = st.builds(TokenLayout, st.integers(1, 40), st.integers(1, 20), st.integers(1, 4), st.integers(1, 15))


@given(layout=LAYOUTS)
def test_every_view_of_every_sample_has_one_place(layout):
    rows = [
        (shard.split, shard.view, shard.first + row, (index, row))
        for index, shard in enumerate(layout.shards)
        for row in range(shard.samples)
    ]
    assert len({row[:3] for row in rows}) == len(rows) == layout.train * layout.views + layout.val
    assert all(layout.locate(*place) == where for *place, where in rows)


@given(layout=LAYOUTS)
def test_names_differ_and_shards_are_full_but_for_the_last_of_a_view(layout):
    assert len({shard.name for shard in layout.shards}) == len(layout.shards)
    for shard in layout.shards:
        rest = layout.samples(shard.split) - shard.first
        assert shard.samples == min(layout.shard_size, rest)


def test_names():
    names = [shard.name for shard in TokenLayout(train=3, val=1, views=2, shard_size=2).shards]
    assert names == [
        "train-view00-000000",
        "train-view00-000001",
        "train-view01-000000",
        "train-view01-000001",
        "val-view00-000000",
    ]


@pytest.mark.parametrize("place", [("train", 0, 3), ("train", 2, 0), ("val", 1, 0), ("val", 0, 1), ("train", 0, -1)])
def test_no_other_place(place):
    with pytest.raises(IndexError, match=r"no sample"):
        TokenLayout(train=3, val=1, views=2, shard_size=2).locate(*place)


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"views": 0}, r"data\.views=0"),
        ({"shard_size": 0}, r"data\.shard_size=0"),
        ({"train": 0}, r"data\.images"),
        ({"val": 0}, r"data\.images"),
    ],
)
def test_impossible_numbers_name_the_key(wrong, key):
    with pytest.raises(ValueError, match=key):
        TokenLayout(**{"train": 3, "val": 1, "views": 2, "shard_size": 2, **wrong})
