from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hieramp_lit.classes import ClassEntry, ClassList, load_classes
from hieramp_lit.data.plan import GenerationPlan, RemainingShards, ShardPlan, subset_of

ROWS = st.lists(st.integers(0, 2000), min_size=1, max_size=8, unique=True).map(tuple)
PLANS = st.builds(ShardPlan, ROWS, st.integers(1, 12), st.integers(1, 20), st.integers(0, 2**63 - 1))


def walk(work: RemainingShards) -> list[tuple[int, int, int, int, int]]:
    """(row, cls, index, shard, position) of every image, in order."""
    return [
        values
        for batch in work
        for values in zip(
            *(column.tolist() for column in (batch.row, batch.cls, batch.image_index, batch.shard, batch.position)),
            strict=True,
        )
    ]


@given(plan=PLANS, batch_size=st.integers(1, 9), world_size=st.integers(1, 6), data=st.data())
def test_every_image_exactly_once_for_any_sizes_and_any_world(plan, batch_size, world_size, data) -> None:
    complete = data.draw(st.sets(st.integers(0, plan.num_shards - 1)))
    ranks = [RemainingShards(plan, batch_size, complete, rank, world_size) for rank in range(world_size)]
    made = Counter((row, index) for work in ranks for row, _, index, _, _ in walk(work))
    skipped = {plan.locate(p)[1:] for shard in complete for p in plan.positions(shard)}
    wanted = {(row, index) for row in plan.rows for index in range(plan.images_per_class)} - skipped
    assert made == Counter(dict.fromkeys(wanted, 1))
    assert sum(work.num_images for work in ranks) == len(wanted)
    assert max(len(work.shards) for work in ranks) - min(len(work.shards) for work in ranks) <= 1


@given(plan=PLANS, batch_sizes=st.tuples(st.integers(1, 9), st.integers(1, 9)), world_size=st.integers(1, 6))
def test_what_is_in_a_shard_depends_on_neither_world_nor_batch_size(plan, batch_sizes, world_size) -> None:
    alone = walk(RemainingShards(plan, batch_sizes[0]))
    shared = [v for r in range(world_size) for v in walk(RemainingShards(plan, batch_sizes[1], (), r, world_size))]
    assert sorted(shared, key=lambda v: v[3:]) == alone


@given(plan=PLANS, batch_size=st.integers(1, 9))
def test_micro_batches_never_cross_a_shard_and_keep_their_size(plan: ShardPlan, batch_size: int) -> None:
    for shard in range(plan.num_shards):
        batches = list(plan.batches(shard, batch_size))
        sizes = [len(batch.row) for batch in batches]
        assert sizes[:-1] == [batch_size] * (len(sizes) - 1)
        assert sum(sizes) == len(plan.positions(shard)) <= plan.shard_size
        assert torch.cat([batch.position for batch in batches]).tolist() == list(range(sum(sizes)))
        for batch in batches:
            assert set(batch.shard.tolist()) == {shard}
            assert set(batch.seed.tolist()) == {plan.seed}
            assert {column.dtype for column in batch} == {torch.int64}


@given(plan=PLANS)
def test_class_by_class_index_by_index(plan: ShardPlan) -> None:
    located = [plan.locate(p) for shard in range(plan.num_shards) for p in plan.positions(shard)]
    assert located == [(c, plan.rows[c], i) for c in range(len(plan.rows)) for i in range(plan.images_per_class)]


def test_a_plan_of_a_billion_images_costs_nothing() -> None:
    plan = ShardPlan(tuple(range(1000)), images_per_class=10**6, shard_size=10**4)
    assert (len(plan), plan.num_shards) == (10**9, 10**5)
    work = RemainingShards(plan, batch_size=64, rank=3, world_size=8)
    assert work.num_images == 10**9 // 8
    first = next(iter(work))
    assert (first.shard[0], first.row[0], first.image_index[0]) == (3, 0, 30_000)
    assert plan.locate(10**9 - 1) == (999, 999, 10**6 - 1)


def test_ranks_without_work_have_an_empty_loader_of_unknown_length() -> None:
    work = RemainingShards(ShardPlan((0,), 1, 1), batch_size=1, rank=1, world_size=2)
    assert list(work) == []
    # With a length of zero Lightning would skip the loop and its hooks, and the other ranks would wait forever.
    assert not hasattr(work, "__len__")
    assert GenerationPlan("digits").allow_zero_length_dataloader_with_multiple_devices


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"images_per_class": 0}, r"data\.images_per_class=0"),
        ({"shard_size": 0}, r"data\.shard_size=0"),
        ({"batch_size": 0}, r"data\.batch_size=0"),
        ({"seed": -1}, r"data\.seed=-1"),
        ({"seed": 2**63}, r"data\.seed=9223372036854775808"),
        ({"class_subset": []}, r"data\.class_subset is empty"),
        ({"class_subset": [10]}, r"data\.class_subset: 10 fits 0 classes"),
        ({"class_subset": ["eleven"]}, r"data\.class_subset: 'eleven' fits 0"),
        ({"classes": "nowhere"}, r"classes='nowhere'"),
    ],
)
def test_impossible_values_die_early_and_name_the_key(values: dict, key: str) -> None:
    with pytest.raises(ValueError, match=key):
        GenerationPlan(**{"classes": "digits", **values})


def test_no_such_shard() -> None:
    with pytest.raises(IndexError, match=r"Shard 3 is not in 0…2"):
        ShardPlan((0,), 3, 1).positions(3)


def test_no_class() -> None:
    with pytest.raises(ValueError, match=r"data\.classes"):
        ShardPlan((), 1, 1)


IMAGENET = ClassList(
    (
        ClassEntry(0, 207, "n02099601", "golden retriever", 207),
        ClassEntry(1, 3, "n01491361", "tiger shark", 3),
        ClassEntry(2, 340, "n02391049", "crane", 340),
        ClassEntry(3, 517, "n03126707", "crane", 517),
    )
)


@pytest.mark.parametrize(
    "subset", [[3, 340], ["n01491361", "n02391049"], ["tiger shark", 340], [340, "tiger shark", 3]]
)
def test_a_subset_keeps_rows_and_order_and_counts_cls_anew(subset: list[int | str]) -> None:
    chosen = subset_of(IMAGENET, subset)
    assert [(entry.cls, entry.row, entry.wnid) for entry in chosen.entries] == [
        (0, 3, "n01491361"),
        (1, 340, "n02391049"),
    ]


def test_an_ambiguous_name_is_refused() -> None:
    with pytest.raises(ValueError, match="'crane' fits 2 classes"):
        subset_of(IMAGENET, ["crane"])


def test_yamls_truth_values_are_no_class_rows() -> None:
    with pytest.raises(ValueError, match=r"data\.class_subset: \[True\]: expected text or whole numbers"):
        subset_of(IMAGENET, [True])


def test_data_module_hands_out_what_remains() -> None:
    data = GenerationPlan("digits", images_per_class=2, shard_size=6, batch_size=4, seed=7)
    assert data.classes == load_classes("digits")
    assert {index for *_, index, _, _ in walk(data.predict_dataloader())} == {0, 1}
    data.skip([0, 2])
    assert list(data.predict_dataloader().shards) == [1, 3]


def test_rows_are_imagenets_or_ones_own() -> None:
    woofs = ["n02115641", "n02086240"]
    assert GenerationPlan(woofs).plan.rows == (273, 155)
    assert GenerationPlan(woofs, class_rows="own").plan.rows == (0, 1)
    assert GenerationPlan(woofs, class_rows="own", class_subset=["n02086240"]).plan.rows == (1,)
    assert GenerationPlan("cifar100").plan.rows == tuple(range(100))
    with pytest.raises(ValueError, match="class_rows='all'"):
        GenerationPlan(woofs, class_rows="all")
