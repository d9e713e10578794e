import pytest

from hieramp_lit.report.content.cost import cost_section, hours, hours_in_words
from hieramp_lit.report.content.read_sweep import read_sweep
from hieramp_lit.report.content.story import Member, StageRecord, Story
from hieramp_lit.report.content.sweep_cost import sweep_cost
from hieramp_lit.report.page import Note, Table
from hieramp_lit.shards import ShardSet
from tests.report.content.made import of_schedule, stage, sweep, swept, trial, write

GPUS = {"device": "H100", "devices": 4, "peak_memory_bytes": 2**31, "peak_device_memory_bytes": 3 * 2**30}
CPU = {"device": "cpu (x86_64)", "devices": 1, "peak_memory_bytes": 2**30, "peak_device_memory_bytes": None}


def story(tmp_path, *records):
    return Story("one", "trial", tmp_path, (Member("amplified", "amplified"),), records)


def test_gpu_hours_are_devices_times_seconds():
    records = [StageRecord("a", "1", 1800, cost=GPUS), StageRecord("b", "2", 900, cost=CPU), StageRecord("c", "3", 360)]
    assert hours(records) == pytest.approx((2.0, 0.25, 0.1))
    assert hours_in_words(hours(records)) == "2 GPU hours, 0.25 CPU hours, 0.1 hours of a device that was not recorded"


def test_a_stage_that_is_shared_counts_once():
    records = [StageRecord("a", "same", 3600, device="cpu (x)")] * 3
    assert hours(records) == (0.0, 1.0, 0.0)


def test_the_table_says_what_an_image_takes_and_what_was_not_recorded(tmp_path):
    section = cost_section(
        story(tmp_path, StageRecord("generate", "1", 5, images=20, cost=GPUS), StageRecord("x", "2", 1)), ""
    )
    table = next(block for block in section.blocks if isinstance(block, Table))
    assert [column.title for column in table.columns] == [
        "stage", "seconds", "images", "seconds per image", "device", "devices", "host memory, GiB",
        "device memory, GiB",
    ]  # fmt: skip
    assert list(table.rows[0]) == ["generate", 5, 20, 0.25, "H100", 4, 2.0, 3.0]
    assert "not recorded for: x." in next(block for block in section.blocks if isinstance(block, Note)).text


def test_where_nothing_was_recorded_the_reason_stands_there(tmp_path):
    (note,) = cost_section(story(tmp_path), "").blocks
    assert note.kind == "missing"


def test_a_sweep_counts_shared_stages_once(home):
    made = ShardSet.open(home / "store/made")
    trials = [of_schedule(name, ["coarse"], beta, 0.5, 0.5) for name, beta in (("a", 3), ("b", 5))]
    file = write(home / "store/counted/sweep.json", sweep(trials))
    for name, seconds in (("a", 10.0), ("b", 30.0)):
        others = {
            "tune": stage("store/tune", "fit", 100.0, "shared"),
            "students": stage("store/s", "students", seconds, name),
        }
        write(file.parent / f"trials/{name}/result.json", trial(home / "store", made, [0.5], others))
    table, note = sweep_cost(read_sweep(sweep(trials), file), "").blocks
    assert "other student seeds lie in store/s: the runs" in note.text
    rows = {row[0]: list(row[1:]) for row in table.rows}
    assert rows["tune"] == [1, 2, 100.0, 100.0, None]
    assert rows["students"] == [2, 2, 40.0, 20.0, None]
    assert rows["generate"] == [1, 2, 10.0, 10.0, 0.5]
    assert rows["all"][:3] == [4, 6, 150.0]


def test_stages_of_trials_that_are_not_done_are_said_to_be_missing(home):
    made = ShardSet.open(home / "store/made")
    trials = [of_schedule("done", ["coarse"], 3, 0.5, 0.5), swept("bad", {}, None, "failed", "boom")]
    trials += [swept(name, {}, None, "running") for name in ("x", "y")]
    file = write(home / "store/undone/sweep.json", sweep(trials))
    write(file.parent / "trials/done/result.json", trial(home / "store", made, [0.5]))
    _, note = sweep_cost(read_sweep(sweep(trials), file), "").blocks
    assert note.kind == "missing"
    assert "not counted" in note.text
    assert note.text.endswith("1 failed, 2 running.")
