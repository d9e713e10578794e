import shutil

import pytest

from hieramp_lit.report.content.read_sweep import best_story
from hieramp_lit.report.content.reading import read_source
from hieramp_lit.report.content.sweep_tokens import sweep_tokens
from hieramp_lit.report.content.token_counts import TokenCounts
from hieramp_lit.report.page import Figure
from hieramp_lit.shards import ShardSet
from tests.report.content.made import OFF, made_set, of_schedule, stage, sweep, trial, write


@pytest.fixture
def store(home, tmp_path):
    """A store with the two sets of one plan, and plain ones of fewer images, fewer classes and another seed."""
    for name in ("made", "off"):
        shutil.copytree(home / "store" / name, tmp_path / "store" / name)
    made_set(tmp_path / "store/less", OFF, images_per_class=1)
    made_set(tmp_path / "store/fewer", OFF, class_subset=[0, 1, 2])
    made_set(tmp_path / "store/seeded", OFF, seed=7)
    return tmp_path / "store"


def swept(store, own, off, off_students=(0.5,)):
    """A sweep whose best trial has the plain set `own`, and whose trial with nothing amplified the set `off`."""
    trials = [of_schedule("off", [], 0, 0, 0.5), of_schedule("made", ["coarse"], 5, 0.5, 0.9)]
    file = write(store / "sweep/sweep.json", sweep(trials))
    others = {} if own is None else {"off": stage(f"store/{own}", "predict")}
    made, plain = (ShardSet.open(store / name) for name in ("made", off))
    write(file.parent / "trials/made/result.json", trial(store, made, [0.9], others))
    result = trial(store, plain, off_students or [0.5])
    result = result if off_students else {"schema": 1, "trial": result["trial"]}
    write(file.parent / "trials/off/result.json", result)
    return read_source(file)


@pytest.mark.parametrize(
    ("own", "off", "plain"),
    [
        (None, "off", [("off", 0.5)]),
        ("off", "off", [("off", 0.5)]),
        ("less", "off", [("off", 0.5)]),
        ("fewer", "off", [("off", 0.5)]),
        ("gone", "off", [("off", 0.5)]),
        ("off", "seeded", [("off", None), (None, 0.5)]),
        ("less", "seeded", [("seeded", 0.5)]),
    ],
)
def test_the_best_trial_lies_beside_the_judged_off_trial(store, own, off, plain):
    story = best_story(swept(store, own, off))
    assert [
        (
            member.draws[0].path.name if member.draws else None,
            member.result and member.result["summary"]["mean"]["top1_last"],
        )
        for member in story.members
        if member.kind == "plain"
    ] == plain


@pytest.mark.parametrize(("own", "plain"), [("off", "off"), ("less", "off"), (None, "off")])
def test_an_unjudged_off_trial_lends_its_set(store, own, plain):
    story = best_story(swept(store, own, "off", ()))
    assert [member.draws[0].path.name for member in story.members] == ["made", plain]


@pytest.mark.parametrize("own", ["less", "fewer", "seeded"])
def test_tokens_lie_beside_the_sweeps_set_where_the_trials_own_is_of_another_plan(store, own):
    (figure, *_) = sweep_tokens(swept(store, own, "off"), "", TokenCounts(1000)).blocks
    assert isinstance(figure, Figure)
