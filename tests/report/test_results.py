import copy
import json
import statistics

import pytest

from hieramp_lit.report import results
from hieramp_lit.report.table import accuracy, student_table, student_table_markdown


def evaluation(top1, epoch=10):
    return {"epoch": epoch, "top1": top1, "top5": 1.0, "per_class": [top1], "n": 8}


def result(last, best=None, seed=0, draw=0, **changes):
    run = {
        "student_seed": seed,
        "generate_seed": draw,
        "manifest_sha256": f"sha-{draw}",
        "last": evaluation(last),
        "best": evaluation(best if best is not None else last, epoch=8),
    }
    return {
        "schema": results.SCHEMA,
        "protocol": {"name": "rded", "constants": {"lr": 0.001}},
        "set": {
            "name": f"set-{draw}", "generator": "hieramp", "configuration_sha256": "abc",
            "images_per_class": 1, "classes": 10, "images": 10,
            "manifest_sha256": [f"sha-{draw}"], "generate_seeds": [draw],
        },
        "teacher": None,
        "student": {"architecture": "convnet3"},
        "student_seeds": [seed],
        "per_seed": [run],
        "summary": results.summarize([run]),
        "random_real_reference": {"absent": results.NO_REFERENCE},
        "validation": {"name": "DigitsDataModule", "n": 450, "sha256": "v"},
        "device": "cpu",
        "precision": "32-true",
        "versions": {},
        "seconds": 2.0,
        **changes,
    }  # fmt: skip


def test_summary_by_hand():
    cell = results.aggregate([result(0.5, 0.7, seed=0), result(0.6, 0.6, seed=1), result(0.1, 0.8, seed=2)])
    summary = cell["summary"]
    assert summary["n"] == 3
    assert summary["over"] == ["student_seed"]
    assert summary["mean"]["top1_last"] == pytest.approx(0.4)
    assert summary["std_sample"]["top1_last"] == pytest.approx((0.07) ** 0.5)
    assert summary["std_population"]["top1_last"] == pytest.approx((0.14 / 3) ** 0.5)
    assert summary["mean"]["top1_best"] == pytest.approx(statistics.mean([0.7, 0.6, 0.8]))
    assert cell["student_seeds"] == [0, 1, 2]
    assert cell["seconds"] == 6.0


def test_one_run_has_no_sample_deviation():
    summary = result(0.5)["summary"]
    assert summary["std_sample"]["top1_last"] is None
    assert summary["std_population"]["top1_last"] == 0.0
    assert summary["over"] == []


def test_a_cell_says_what_its_deviation_is_over():
    cell = results.aggregate([result(0.5, seed=0, draw=0), result(0.6, seed=1, draw=1)])
    assert cell["summary"]["over"] == ["student_seed", "generate_seed"]
    assert cell["set"]["generate_seeds"] == [0, 1]
    assert cell["set"]["manifest_sha256"] == ["sha-0", "sha-1"]
    assert cell["set"]["name"] == "set-0, set-1"


def test_cells_join_again_and_keep_the_schema():
    pair = results.aggregate([result(0.5, seed=0), result(0.6, seed=1)])
    joined = results.aggregate([pair, result(0.7, seed=2)])
    assert (
        joined["summary"]
        == results.aggregate([result(0.5, seed=0), result(0.6, seed=1), result(0.7, seed=2)])["summary"]
    )
    assert set(joined) == set(result(0.5))


def test_the_reference_stands_beside():
    real = results.aggregate([result(0.3, seed=k, draw=k) for k in range(2)])
    real["set"]["generator"] = "random_real"
    cell = results.aggregate([result(0.5), result(0.6, seed=1)], real)
    assert cell["random_real_reference"]["mean"]["top1_last"] == pytest.approx(0.3)
    assert cell["random_real_reference"]["set"]["generator"] == "random_real"
    assert "absent" in results.aggregate([result(0.5)])["random_real_reference"]


def test_inputs_are_left_alone():
    first, second = result(0.5), result(0.6, seed=1)
    before = copy.deepcopy([first, second])
    results.aggregate([first, second])
    assert [first, second] == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol": {"name": "rded", "constants": {"lr": 0.1}}}, "protocol"),
        ({"student": {"architecture": "resnet18"}}, "student"),
        ({"validation": {"n": 1}}, "validation"),
        ({"precision": "bf16-mixed"}, "precision"),
        ({"set": {**result(0.1)["set"], "images_per_class": 10}}, "set.images_per_class"),
        ({"set": {**result(0.1)["set"], "generator": "var"}}, "set.generator"),
        ({"set": {**result(0.1)["set"], "configuration_sha256": "def"}}, "set.configuration_sha256"),
    ],
)
def test_different_experiments_are_not_joined(changes, message):
    with pytest.raises(ValueError, match=message):
        results.aggregate([result(0.5), result(0.6, seed=1, **changes)])


def test_the_same_run_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        results.aggregate([result(0.5), result(0.5)])
    with pytest.raises(ValueError, match="no results"):
        results.aggregate([])


def test_the_same_teacher_may_score_differently_by_rounding():
    teacher = {"architecture": "convnet3", "pretrained": False, "sha256": "t", "validation_top1": 0.98}
    other = {**teacher, "validation_top1": 0.978}
    assert results.aggregate([result(0.5, teacher=teacher), result(0.6, seed=1, teacher=other)])["teacher"] == teacher
    with pytest.raises(ValueError, match="teacher"):
        results.aggregate([result(0.5, teacher=teacher), result(0.6, seed=1, teacher={**teacher, "sha256": "u"})])


def test_files_are_read_by_path_or_folder_and_checked(tmp_path):
    path = tmp_path / "result.json"
    with pytest.raises(ValueError, match="hieramp fit"):
        results.read(tmp_path)
    path.write_text(json.dumps(result(0.5)))
    assert results.read(path) == results.read(tmp_path) == result(0.5)
    path.write_text(json.dumps({"schema": 0}))
    with pytest.raises(ValueError, match="schema 0"):
        results.read(path)
    path.write_text("[]")
    with pytest.raises(ValueError, match="schema None"):
        results.read(path)


def test_the_table_shows_last_and_best():
    cells = {
        "real": results.aggregate([result(0.3), result(0.5, seed=1, draw=1)]),
        "amplified": results.aggregate([result(0.8, 0.9), result(0.8, 0.9, seed=1, draw=1)]),
    }
    text = student_table_markdown(cells)
    assert "| real | 40.0 ± 14.1 | 40.0 ± 14.1 |" in text
    assert "| amplified | 80.0 ± 0.0 | 90.0 ± 0.0 |" in text
    assert "450 validation images" in text
    assert "2 runs (student seeds, draws of the set)" in text
    table = student_table(cells)
    assert [column.header for column in table.columns] == ["set", "last", "best"]
    assert list(table.columns[2].cells) == ["40.0 ± 14.1", "90.0 ± 0.0"]
    assert accuracy(result(0.123), "top1_last") == "12.3"
    with pytest.raises(ValueError, match="no results"):
        student_table({})
