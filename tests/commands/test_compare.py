import json
from pathlib import Path
from typing import Any

import pytest

from hieramp_lit.cli import main
from hieramp_lit.commands.compare import build_parser, student_arguments
from hieramp_lit.comparison import FullData
from hieramp_lit.files import write_json
from tests.report.test_results import result


def of_full_data(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = result(0.983)
    made["protocol"] = {"name": "rded", "constants": {"labels": "hard"}}
    made["set"] = {**made["set"], "generator": None, "name": "DigitsDataModule"}
    return {**made, **changes}


def test_full_accuracy_is_a_number_or_a_result_of_hard_labels(tmp_path: Path) -> None:
    number = FullData.of("0.45")
    assert (number.accuracy, number.facts) == (0.45, {})  # compared with nothing
    write_json(tmp_path / "result.json", of_full_data())
    folder, file = FullData.of(str(tmp_path)), FullData.of(str(tmp_path / "result.json"))
    assert folder.accuracy == file.accuracy == 0.983
    assert folder.facts == {
        "student.architecture": "convnet3", "student.norm": None, "number of classes": 1, "validation.sha256": "v"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol": {"name": "rded", "constants": {"labels": "soft"}}}, "soft labels"),
        ({"set": {"generator": "hieramp", "name": "sets"}}, "on sets; expected one with hard labels on the full data"),
    ],
)
def test_a_result_of_something_else_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write_json(tmp_path / "result.json", of_full_data(**changes))
    with pytest.raises(ValueError, match=message):
        FullData.of(str(tmp_path / "result.json"))


@pytest.mark.parametrize("text", ["98.3", "-1", "nan"])
def test_an_accuracy_in_per_cent_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"--full .* must lie in \[0, 1\]"):
        FullData.of(text)


def test_configurations_come_before_flags() -> None:
    words = ["a", "b", "--config", "x.yaml", "--model.student", "convnet1", "--seeds", "0", "1", "--out", "o"]
    options, flags = build_parser("hieramp compare").parse_known_args([*words, "--config", "y.yaml"])
    assert (options.sets, options.seeds, options.random_real) == ([Path("a"), Path("b")], [0, 1], True)
    arguments = student_arguments(options.config, flags)
    assert arguments.words == ("--config", "x.yaml", "--config", "y.yaml", "--model.student", "convnet1")


def test_what_is_missing_or_wrong_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compare", "a", "--seeds", "0", "--out", "out"]
    with pytest.raises(ValueError, match="--config is missing"):
        main(command)
    config = Path(__file__).parents[2] / "configs/student/digits.yaml"
    with pytest.raises(ValueError, match=r"a: no manifest\.json, so this is not a finished shard set"):
        main([*command, "--config", str(config)])
    with pytest.raises(SystemExit):
        main([*command, "--config", str(config), "--scores", "psnr"])
    assert "--scores" in capsys.readouterr().err
    (tmp_path / "result.json").write_text(json.dumps({}))
    with pytest.raises(ValueError, match="schema None"):
        main([*command, "--config", str(config), "--scores", "hlr", "--full", str(tmp_path)])
