import re
from functools import reduce

import pytest

from hieramp_lit.report.content import build_report
from hieramp_lit.report.content.checking import DamagedError
from hieramp_lit.report.content.reading import read_source
from hieramp_lit.report.page import Note
from hieramp_lit.shards import ShardSet
from tests.report.content.made import cell, of_schedule, stage, sweep, trial, write

GONE = object()
DAMAGES = [
    (["summary", "mean", "top1_last"], None, r"summary\.mean\.top1_last should be a number, this is None"),
    (["summary"], GONE, r"summary should be an object, this is None"),
    (["validation"], None, r"validation should be an object, this is None"),
    (["protocol", "name"], GONE, r"protocol\.name should be a name, there is none"),
    (["student"], "convnet", r"student should be an object, this is 'convnet'"),
    (["per_seed", 0, "last"], 0.5, r"per_seed\[0\]\.last should be an object, this is 0\.5"),
    (["trial", "stages", "tune", "cost"], "12 s", r"trial\.stages\.tune\.cost should be an object, this is '12 s'"),
    (["trial", "stages", "tune", "cost", "device"], 3, r"cost\.device should be a name or null, this is 3"),
    (["trial", "real", "summary", "n"], True, r"trial\.real\.summary\.n should be a number, this is True"),
]


def damaged(content, keys, value):
    *above, last = keys
    holder = reduce(lambda one, key: one[key], above, content)
    if value is GONE:
        del holder[last]
    else:
        holder[last] = value
    return content


def whole(home, name="made"):
    made = ShardSet.open(home / "store" / name)
    others = {"tune": stage("store/tune", "fit", device="cpu"), "real": stage("store/off", "predict")}
    return trial(home / "store", made, [0.9], others, real=cell(ShardSet.open(home / "store/off"), [0.5]))


@pytest.mark.parametrize(("keys", "value", "told"), DAMAGES, ids=[".".join(map(str, one[0])) for one in DAMAGES])
def test_damage_is_told_with_file_and_key(home, tmp_path, keys, value, told):
    file = write(tmp_path / "result.json", damaged(whole(home), keys, value))
    with pytest.raises(DamagedError, match=f"^{re.escape(str(file))} is damaged, or not by this release: .*{told}"):
        read_source(file)


@pytest.mark.parametrize("value", [None, GONE], ids=["null", "gone"])
def test_students_alone_are_checked_too(home, tmp_path, value):
    content = cell(ShardSet.open(home / "store/made"), [0.5])
    file = write(tmp_path / "result.json", damaged(content, ["validation"], value))
    with pytest.raises(DamagedError, match=r"result\.json is damaged.*validation should be an object"):
        read_source(file)


def test_a_sweep_tells_which_trials_file_is_damaged(home):
    trials = [of_schedule("off", [], 0, 0, 0.5), of_schedule("made", ["coarse"], 5, 0.5, 0.9)]
    file = write(home / "store/damaged/sweep.json", sweep(trials))
    write(file.parent / "trials/off/result.json", whole(home, "off"))
    for keys, value, told in DAMAGES[::4]:
        write(file.parent / "trials/made/result.json", damaged(whole(home), keys, value))
        read = read_source(file)
        assert read.best.story is None
        assert read.off.story is not None
        (note,) = [
            block
            for block in build_report([file]).sections[0].blocks
            if isinstance(block, Note) and block.kind == "missing"
        ]
        assert re.search(rf"of 1 trial: .*trials/made/result\.json is damaged.*{told}", note.text)
