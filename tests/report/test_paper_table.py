"""Which number of the paper lies beside which of ours, and what the table then says."""

from pathlib import Path
from typing import Any

import pytest

from hieramp_lit.amplify import Amplification
from hieramp_lit.report.collecting import collect
from hieramp_lit.report.paper_formats import render
from hieramp_lit.report.paper_table import show_difference, show_value
from tests.report.made_results import bench, configuration, inspection, ours, result, tables, trial, write

OFF = configuration(None)
COARSE = Amplification(beta=5, rho=0.3, stages=["coarse"])
WEAK = Amplification(beta={"coarse": 0.1, "mid": 5, "fine": 5}, rho=0.5)


def test_last_best_and_difference_by_hand() -> None:
    found = tables(result([0.47, 0.48, 0.49], last=[0.46, 0.47, 0.45], classes="imagewoof", ipc=50))
    (line,) = ours(found["1"])
    assert (line.paper.mean, line.paper.printed) == (70.0, "70.0 ± 0.8")
    assert line.ours.values["best"].mean == pytest.approx(48.0)
    assert line.ours.values["best"].std == pytest.approx(1.0)
    assert line.ours.values["last"].mean == pytest.approx(46.0)
    assert line.difference == pytest.approx(48.0 - 70.0)
    assert show_difference(line) == "−22.0"
    assert (line.ours.runs, line.ours.n) == ("0, 1, 2", 3)


def test_the_papers_other_methods_come_along_and_other_sizes_do_not() -> None:
    found = tables(result([0.4], classes="imagewoof"))
    assert set(found) == {"1"}
    assert [(line.method, line.ours is not None) for line in found["1"].lines] == [
        ("Minimax", False), ("D3HR", False), ("RDED", False), ("CaO2", False), ("HIERAMP", True),
    ]  # fmt: skip
    assert {(line.ipc, line.student) for line in found["1"].lines} == {(10, "resnet18")}


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ({}, {("1", "HIERAMP", 47.6), ("2", "HIERAMP", 44.6), ("3", "full 5 50%", 47.6)}),
        ({"teacher": "mobilenet_v2"}, {("2", "HIERAMP", 42.9)}),
        ({"student": "torchvision/mobilenet_v2"}, {("2", "HIERAMP", 46.2)}),
        ({"made_by": configuration(COARSE)}, {("3", "coarse 5 30%", 46.7)}),
        ({"made_by": configuration(WEAK)}, {("4", "C-M-F 0.1-5-5", 45.9)}),
        ({"generator": "rded", "made_by": {}}, {("1", "RDED", 42.0), ("2", "RDED", 42.3)}),
        ({"classes": "cifar10", "student": "resnet18_modified", "ipc": 50}, {("1", "HIERAMP", 72.0)}),
        ({"classes": "imagewoof", "generator": "Minimax", "made_by": {"imported": 1}}, {("1", "Minimax", 40.1)}),
    ],
    ids=[
        "default",
        "teacher",
        "student",
        "table_3",
        "table_4",
        "rded",
        "cifar10",
        "imported",
    ],  # sets have no order to be named by
)
def test_the_place_of_a_result(changes: dict[str, Any], places: set[tuple[str, str, float]]) -> None:
    found = tables(result([0.5, 0.52], **changes))
    assert {
        (name, line.setting or line.method, line.paper.mean) for name, one in found.items() for line in ours(one)
    } == places


def test_class_lists_are_compared_as_sets_of_classes() -> None:
    shuffled = result([0.5], classes="imagewoof")
    shuffled["set"]["class_list"].reverse()
    other = result([0.5], classes="imagewoof")
    other["set"]["class_list"][0]["wnid"] = "n02085620"
    other["set"]["configuration_sha256"] = "of other classes"
    found = tables(shuffled, other)
    (known,) = ours(found["1"])
    (unknown,) = ours(found["3"])
    assert (known.dataset, known.paper.mean) == ("imagewoof", 45.8)
    assert (unknown.dataset, unknown.paper) == ("the set (10 classes)", None)
    assert unknown.remark == "the paper has nothing on the set (10 classes)"


@pytest.mark.parametrize(
    ("classes", "judges", "dataset"),
    [
        ("digits", ("DigitsDataModule", 450), "digits"),
        ("digits", ("ImageFolderDataModule", 450), "digits (by its class names)"),
        ("cifar10", ("CIFARDataModule", 5000), "cifar10"),
        ("cifar10", ("ImageFolderDataModule", 10000), "cifar10"),
        ("cifar10", ("ImageFolderDataModule", 300), "cifar10 (by its class names)"),
        ("imagewoof", ("ImageFolderDataModule", 300), "imagewoof"),
    ],
)
def test_names_of_classes_alone_are_not_a_data_set(classes: str, judges: tuple[str, int], dataset: str) -> None:
    found = tables(result([0.5], classes=classes, student="resnet18_modified", ipc=50, judges=judges))
    assert {line.dataset for one in found.values() for line in ours(one)} == {dataset}
    assert any(line.paper is not None for one in found.values() for line in ours(one)) is (
        dataset in {"cifar10", "imagewoof"}
    )


def test_an_inspection_knows_the_data_by_its_real_images() -> None:
    of_ours = inspection(3.0, "hieramp", configuration(COARSE), classes="digits")
    assert {line.dataset for line in ours(tables(of_ours)["6"])} == {"digits (by its class names)"}
    of_ours["reference"]["data"] = {"name": "digits", "split": "train"}
    assert {line.dataset for line in ours(tables(of_ours)["6"])} == {"digits"}


@pytest.mark.parametrize(
    ("training", "remark"),
    [
        ({}, ""),
        (
            {"changed": {"temperature": {}, "epochs": {}}},
            "our students are trained by RDED's protocol, but its epochs, temperature changed",
        ),
        ({"protocol": "d3hr"}, "our students are trained by the protocol d3hr, not RDED's as in the paper"),
        (
            {"protocol": "clean", "constants": {"first_best_epoch": 300, "epochs": 300}},
            "our students are trained by the protocol clean, not RDED's as in the paper; our `best` is the last epoch, "
            "the only one it lets count; the paper's is the best of several",
        ),
        ({"constants": {"first_best_epoch": 241, "epochs": 300}}, ""),
    ],
    ids=str,
)
def test_a_difference_between_trainings_is_said_beside_it(training: dict[str, Any], remark: str) -> None:
    for line in ours(tables(result([0.5], **training))["1"]):
        assert (line.paper.mean, line.remark) == (47.6, remark)
    (line,) = ours(tables(result([0.5], classes="imagewoof", made_by=configuration(COARSE), **training))["1"])
    assert line.remark.startswith("another schedule")
    assert line.remark.endswith(remark)
    (line,) = ours(tables(result([0.5], ipc=7, **training))["3"])  # nothing to compare
    assert line.remark == "the paper has no IPC 7 of this data set"


def test_class_tokens_of_a_plain_var() -> None:
    plain = {"generator": "var", "made_by": OFF}
    with_tokens = trial(result([0.45], **plain), stages={"tune": {}})
    without = trial(
        result([0.46], **plain), values={"generate.model.checkpoint": "hf://FoundationVision/var/var_d16.pth"}
    )
    without["set"]["configuration_sha256"] = "other"
    found = tables(with_tokens, without)
    assert set(found) == {"3", "7"}
    assert [(line.setting, line.paper.mean, line.remark) for line in ours(found["3"])] == [
        ("no amplification", 45.6, "")
    ]
    assert [(line.method, line.ours.values["best"].mean, line.remark) for line in ours(found["7"])] == [
        ("VAR without class tokens", pytest.approx(46.0), ""),
        ("VAR with class tokens", pytest.approx(45.0), ""),
    ]


def test_a_plain_var_of_which_nothing_says_whether_it_has_class_tokens_is_ambiguous() -> None:
    plain = result([0.45], generator="var", made_by=OFF)
    found = tables(plain)
    assert [line.method for line in ours(found["7"])] == ["VAR without class tokens", "VAR with class tokens"]
    assert all("nothing says whether this VAR had class tokens" in line.remark for line in ours(found["7"]))
    # an amplified set of the same weights settles it
    found = tables(plain, result([0.47], made_by=configuration(COARSE)))
    assert [line.method for line in ours(found["7"])] == ["VAR with class tokens"]
    assert [line.remark for line in ours(found["3"])] == ["", ""]


@pytest.mark.parametrize(
    ("checkpoint", "known"),
    [
        ("hf://FoundationVision/var/var_d16.pth", False),
        ("asset://digits/var.safetensors", False),
        ("runs/imagenet/class_tokens.safetensors", True),
        ("runs/mine/best.ckpt", None),
    ],
)
def test_the_weights_file_tells_by_its_name(checkpoint: str, known: bool | None) -> None:
    plain = result([0.45], generator="var", made_by=OFF)
    (measured,) = collect([write(trial(plain, values={"generate.model.checkpoint": checkpoint}))]).measured
    assert measured.class_tokens is known
    amplified = trial(result([0.45]), values={"generate.model.checkpoint": checkpoint})
    (measured,) = collect([write(amplified)]).measured
    assert measured.class_tokens is True


def test_table_7_on_digits() -> None:
    def cell(weights: str, checkpoint: str) -> dict[str, Any]:
        made = configuration(None, patch_nums=(1, 2, 3, 4), weights=weights)
        plain = result([0.8], classes="digits", generator="var", made_by=made)
        return trial(plain, values={"generate.model.checkpoint": checkpoint})

    real = result([0.7], classes="digits", generator="random_real", made_by={})
    both = [cell("a", "asset://digits/var.safetensors"), cell("b", "runs/digits/class_tokens.safetensors")]
    found = tables(*both, real)
    assert [(name, [line.method for line in one.lines]) for name, one in found.items()] == [
        ("7", ["VAR with class tokens", "VAR without class tokens", "random_real"])
    ]


def test_another_schedule_lies_beside_the_papers_with_a_remark() -> None:
    found = tables(result([0.5], classes="imagewoof", made_by=configuration(COARSE)))
    (line,) = ours(found["1"])
    assert (line.method, line.setting, line.paper.mean) == ("HIERAMP", "coarse 5 30%", 45.8)
    assert line.remark == "another schedule than the paper's full 5 50%: coarse 5 30%"


def test_the_papers_schedule_under_another_rule_is_another_schedule() -> None:
    found = tables(result([0.5], made_by=configuration(Amplification(rule="post_softmax"))))
    assert {line.setting for one in found.values() for line in ours(one)} == {"full 5 50%, rule post_softmax"}
    assert all("another schedule" in line.remark for one in found.values() for line in ours(one))


def test_digits_stand_in_the_papers_form() -> None:
    digits = {"classes": "digits", "ipc": 1, "teacher": "convnet3", "student": "convnet3"}
    schedules = [
        Amplification(beta=2, rho=0.5),
        Amplification(beta=2, rho=0.3, stages=["fine"]),
        Amplification(beta=2, rho=0.3, stages=["coarse"]),
        None,
        Amplification(beta=1, rho=0.5, stages=["mid"]),
    ]
    made = [configuration(one, patch_nums=(1, 2, 3, 4, 5, 6, 8)) for one in schedules]
    found = tables(
        *(
            result([0.9], generator="var" if one["schedule"] is None else "hieramp", made_by=one, **digits)
            for one in made
        )
    )
    assert set(found) == {"3"}
    assert [line.setting for line in found["3"].lines] == [
        "no amplification", "coarse 2 30%", "fine 2 30%", "mid 1 50%", "full 2 50%",
    ]  # fmt: skip
    text = render([found["3"]], "markdown")
    assert "| – | 90.0 | 90.0 | – [1] |" in text
    assert (
        "The paper has nothing on digits: 3/result.json, 2/result.json, 1/result.json, 4/result.json, 0/result.json."
        in text
    )


def test_one_table_alone() -> None:
    whole = result([0.47])
    assert set(tables(whole, table="2")) == {"2"}
    elsewhere = tables(result([0.47], classes="imagewoof"), table="3")
    (line,) = elsewhere["3"].lines
    assert line.remark == "Table 3 has nothing on imagewoof"
    with pytest.raises(ValueError, match="--table 12"):
        tables(whole, table="12")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ipc": 7}, "the paper has no IPC 7 of this data set"),
        ({"student": "vit_b_16"}, "the paper has no vit_b_16 taught by resnet18 there"),
        ({"teacher": None}, "the paper has no resnet18 taught by nobody there"),
        ({"generator": "random_real", "made_by": {}}, "the paper has no random_real there"),
        ({"ipc": 10, "classes": "imagenette"}, "the paper has nothing on imagenette"),
    ],
    ids=str,
)
def test_what_has_no_place_says_why(changes: dict[str, Any], reason: str) -> None:
    (found,) = tables(result([0.5], **changes)).values()
    (line,) = ours(found)
    assert (line.paper, line.remark) == (None, reason)


def test_fid_of_table_6() -> None:
    hieramp = configuration(Amplification())
    found = tables(inspection(16.84, "hieramp", hieramp), trial(None, inspect=inspection(13.0, "var", OFF, ipc=50)))
    assert set(found) == {"6"}
    assert [(line.method, line.ipc, line.paper.mean, show_difference(line)) for line in ours(found["6"])] == [
        ("HIERAMP", 10, 17.3, "−0.5"),
        ("VAR", 50, 13.1, "−0.1"),
    ]
    assert ours(found["6"])[0].ours.protocol == "fid@inception, 50000 real images"


def test_fid_of_other_features_is_not_the_papers() -> None:
    other = inspection(3.0, "hieramp", configuration(Amplification()))
    other["summary"] = {"fid@resnet18": 3.0}
    (line,) = ours(tables(other)["6"])
    assert (line.paper, line.remark) == (None, "the paper has no fid@resnet18")


def test_time_and_memory_of_tables_8_and_9() -> None:
    report = bench(plain=(0.2, 2**31), tokens=(0.25, None), amplified=(0.3, 2**30))
    found = tables(report)
    assert set(found) == {"8", "9"}
    (line,) = ours(found["8"])
    assert (line.paper.method, line.paper.mean, line.ours.values["value"].mean) == ("HIERAMP", 0.147, 0.15)
    assert show_difference(line) == "+0.003"
    assert {(line.method, line.metric, show_value(line.compared, line.metric)) for line in ours(found["9"])} == {
        ("VAR", "seconds_per_image", "0.100 ± 0.005"),
        ("VAR + class tokens", "seconds_per_image", "0.125 ± 0.005"),
        ("HIERAMP", "seconds_per_image", "0.150 ± 0.005"),
        ("VAR", "peak_memory_gb", "2.000"),
        ("HIERAMP", "peak_memory_gb", "1.000"),
    }
    (line, *_) = ours(tables(bench(depth=30, plain=(1.0, None)))["9"])
    assert line.remark == "the paper has nothing on depth 30"


def test_one_timed_run_has_no_spread_and_other_batches_no_place() -> None:
    report = bench(plain=(0.2, None))
    report["groups"][0]["title"] = "batch 8"
    report["groups"][0]["rows"][0]["seconds"] = [0.2]
    (line,) = ours(tables(report)["9"])
    assert (line.ours.values["value"].std, line.ours.runs) == (None, "1 timed run")
    assert line.remark == "the paper has no VAR at batch 8"


@pytest.mark.parametrize(
    ("accuracy", "shown", "difference"),
    [(0.47649, "47.6", "0.0"), (0.47551, "47.6", "0.0"), (0.4766, "47.7", "+0.1"), (0.4749, "47.5", "−0.1")],
)
def test_rounding(accuracy: float, shown: str, difference: str) -> None:
    (line,) = ours(tables(result([accuracy]))["1"])
    assert show_value(line.compared, line.metric) == shown
    assert show_difference(line) == difference


def test_several_results_of_one_cell_each_have_a_row_and_say_from_where() -> None:
    found = tables(result([0.45]), result([0.47, 0.49], changed={"epochs": {"protocol": 300, "used": 10}}))
    lines = ours(found["1"])
    assert [line.paper.mean for line in lines] == [47.6, 47.6]
    text = render([found["1"]], "markdown")
    assert "0/result.json" in text
    assert "1/result.json" in text
    assert "rded 1.0 (changed: epochs)" in text


def test_runs_that_stand_in_two_files_count_once() -> None:
    both, one = result([0.45, 0.47]), result([0.45])
    found = collect([write(one, "a/result.json"), write(both, "b/result.json"), write(trial(both), "c/result.json")])
    assert [Path(measured.source).parent.name for measured in found.measured] == ["b"]
    assert found.left_out == ("2 results hold runs that other results hold as well, and are shown once.",)


def test_of_files_with_the_same_runs_the_one_that_says_more_counts() -> None:
    plain = result([0.45], generator="var", made_by=OFF)
    paths = [write(plain, "a/result.json"), write(trial(plain, stages={"tune": {}}), "b/result.json")]
    (kept,) = collect(paths).measured
    assert (kept.source, kept.class_tokens) == ("b/result.json", True)


def test_baselines_stand_beside_the_schedules_of_the_same_digits() -> None:
    amplified = configuration(Amplification(beta=2), patch_nums=(1, 2, 3, 4))
    plain = result([0.8], classes="digits", generator="random_real", made_by={})
    found = tables(result([0.9], classes="digits", made_by=amplified), plain)
    assert [(name, [line.method for line in one.lines]) for name, one in found.items()] == [
        ("3", ["random_real", "HIERAMP"])
    ]
    assert set(tables(plain)) == {"1"}


def test_a_trials_random_real_images_are_a_row_too() -> None:
    real = result([0.3], generator="random_real", made_by={})
    found = tables(trial(result([0.45]), real=real))
    assert [line.method for line in ours(found["1"])] == ["HIERAMP", "random_real"]


def test_seeds_of_sets_are_told_from_those_of_students() -> None:
    (line,) = ours(tables(result([0.45, 0.47], draws=[0, 5]))["1"])
    assert line.ours.runs == "0; sets 0, 5"
