from pathlib import Path

import pytest

from hieramp_lit.checkpoints import read_tensors, save
from hieramp_lit.cli import main
from hieramp_lit.var import Scales, Tokenizer
from tests.doctor.reports import PERMUTED, config, doctor, status, tiny, write_permuted_teacher


def test_without_a_configuration_it_looks_at_the_installation_alone(capsys):
    report = doctor()
    assert set(status(report)) >= {"versions", "device"}
    assert report["errors"] == 0
    assert "hieramp doctor: this installation" in capsys.readouterr().out


def test_a_tuning_is_looked_at_from_weights_to_labels(tiny_tokenizer, tiny_var, capsys):
    report = doctor(*tiny("token_tuning", tiny_tokenizer, "--model.checkpoint", str(tiny_var)))
    found = status(report)
    assert {"versions", "VAR", "tokenizer", "data", "memory", "disk", "reconstruction", "codebook"} <= set(found)
    assert found["tokenizer and VAR"] == "warning"  # random weights guess
    weights = next(finding for finding in report["findings"] if finding["check"] == "VAR")
    assert len(weights["facts"]["sha256"]) == 64
    said = capsys.readouterr().out
    assert "→" in said
    assert f"errors: {report['errors']}, warnings: {report['warnings']}" in said


def test_missing_weights_are_an_error_and_the_other_checks_still_run(tiny_tokenizer):
    report = doctor(*tiny("token_tuning", tiny_tokenizer, "--model.checkpoint", "none.pth"), code=1)
    found = status(report)
    assert found["VAR"] == "error"
    assert found["tokenizer"] == found["data"] == found["memory"] == found["disk"] == "ok"
    assert "codebook" in found
    report = doctor(*tiny("token_tuning", Path("none.pth"), "--model.checkpoint", "null"), code=1)
    assert (status(report)["tokenizer"], status(report)["VAR"], status(report)["data"]) == ("error", "ok", "ok")


def test_the_tokenizer_that_a_var_was_trained_with_is_compared(tiny_tokenizer, tiny_var, tmp_path):
    codes = Tokenizer(str(tiny_tokenizer)).load_quantizer(Scales((1, 2, 3, 4))).fingerprint()
    for recorded, expected, code in ((codes, "ok", 0), ("0" * 64, "error", 1)):
        save(tmp_path / "var.safetensors", read_tensors(tiny_var), {"tokenizer_codes_sha256": recorded})
        weights = ["--model.checkpoint", str(tmp_path / "var.safetensors"), "--model.output", "sets/one"]
        report = doctor(*tiny("generate", tiny_tokenizer, *weights), code=code)
        assert status(report)["trained with"] == expected


def test_weights_of_other_sizes_are_explained(tiny_tokenizer, tiny_var):
    sizes = ["--model.checkpoint", str(tiny_var), "--model.var.depth", "3"]
    report = doctor(*tiny("token_tuning", tiny_tokenizer, *sizes), code=1)
    text = next(finding["text"] for finding in report["findings"] if finding["check"] == "VAR")
    assert "This is a depth-2 checkpoint" in text
    assert "Set in model.var: depth: 2" in text


def test_class_rows_beyond_the_model_are_an_error(tiny_tokenizer):
    report = doctor(
        *tiny("token_tuning", tiny_tokenizer, "--model.checkpoint", "null", "--model.var.num_classes", "9"), code=1
    )
    (data,) = (finding for finding in report["findings"] if finding["check"] == "data")
    assert data["status"] == "error"
    assert "class_rows: own" in data["remedy"]


def test_a_plan_with_rows_that_the_var_lacks_is_an_error(tiny_tokenizer, tiny_var):
    weights = ["--model.checkpoint", str(tiny_var), "--model.output", "sets/one", "--data.classes", "imagewoof"]
    report = doctor(*tiny("generate", tiny_tokenizer, *weights, "--data.class_subset", "null"), code=1)
    (data,) = (finding for finding in report["findings"] if finding["check"] == "data")
    assert (data["status"], "class rows 155 to 273" in data["text"]) == ("error", True)
    own = doctor(*tiny("generate", tiny_tokenizer, *weights, "--data.class_rows", "own", "--data.class_subset", "null"))
    assert status(own)["data"] == "ok"


@pytest.mark.parametrize("folder", ["generate", "tokenize", "tokenizer"])
def test_the_other_commands_configurations_are_read_too(folder, tiny_tokenizer, tiny_var):
    arguments = tiny(folder, tiny_tokenizer)
    if folder == "generate":
        arguments += ["--model.checkpoint", str(tiny_var), "--model.output", "sets/one"]
    if folder == "tokenizer":
        arguments = [*config("configs/tokenizer/digits.yaml"), "--images", "2"]
    report = doctor(*arguments)
    assert {"tokenizer", "data", "memory", "disk"} <= set(status(report))
    assert not Path("sets").exists()


def test_a_plan_is_tried_on_a_folder_that_is_given(tiny_tokenizer, tiny_var, tmp_path):
    from PIL import Image

    for name in range(2):
        (tmp_path / "images" / str(name)).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (40, 40), (80 * number, 9, 9)).save(tmp_path / "images" / str(name) / f"{number}.png")
    weights = ["--model.checkpoint", str(tiny_var), "--model.output", "sets/one"]
    report = doctor(*tiny("generate", tiny_tokenizer, *weights, "--folder", str(tmp_path / "images")))
    assert {"reconstruction", "codebook", "tokenizer and VAR"} <= set(status(report))


def test_a_permuted_teacher_is_found_and_the_rows_it_names_mend_it(tmp_path):
    permuted = write_permuted_teacher(tmp_path / "teacher.safetensors")
    arguments = [*config("configs/student/digits.yaml"), "--model.teacher.checkpoint", str(permuted)]
    report = doctor("teacher", *arguments, code=1)
    order = next(finding for finding in report["findings"] if finding["check"] == "class order")
    assert order["facts"]["rows"] == PERMUTED
    assert order["facts"]["top1"] < 0.5 < 0.95 < order["facts"]["best_top1"]
    mended = doctor("teacher", *arguments, "--model.teacher.rows", str(PERMUTED))
    found = next(finding for finding in mended["findings"] if finding["check"] == "class order")
    assert (found["status"], found["facts"]["top1"]) == ("ok", order["facts"]["best_top1"])


def test_a_student_is_looked_at_without_its_set():
    report = doctor(*config("configs/student/digits.yaml"), code=1)
    found = status(report)
    assert found["teacher"] == found["data"] == found["memory"] == "ok"
    assert found["set"] == "error"


def test_a_teacher_is_asked_for_by_soft_labels_alone():
    absent = [*config("configs/student/digits.yaml"), "--model.teacher.checkpoint", "absent.safetensors"]
    assert status(doctor(*absent, code=1))["teacher"] == "error"
    hard = doctor(*absent, *config("configs/protocols/minimax_hard.yaml"), code=1)
    assert status(hard)["teacher"] == status(hard)["memory"] == "ok"
    none = doctor(*config("configs/student/digits.yaml"), "--model.teacher", "null", code=1)
    (teacher,) = (finding for finding in none["findings"] if finding["check"] == "teacher")
    assert (teacher["status"], "model.protocol.labels: hard" in teacher["remedy"]) == ("error", True)


def test_a_configuration_without_teacher_has_none_to_try():
    report = doctor("teacher", *config("configs/student/digits_teacher.yaml"), code=1)
    assert "model.teacher is null" in report["findings"][0]["text"]


def test_what_cannot_be_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["doctor", "teacher"])
    assert "--config" in capsys.readouterr().err
    with pytest.raises(ValueError, match="--images 0"):
        main(["doctor", "--images", "0"])
