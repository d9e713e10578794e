import json
from pathlib import Path

import pytest

from hieramp_lit.cli import main
from hieramp_lit.report import read
from tests.comparison.judging import TEACHER, random_teacher, students
from tests.data.digits_set import make_digits_set


@pytest.mark.slow
def test_cells_run_in_processes_and_what_failed_is_named_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real thing: a process for a cell, beside one whose network does not exist."""
    teacher = random_teacher(tmp_path)
    command = [
        "cross", str(make_digits_set(tmp_path / "set")), "--teachers", f"{TEACHER}={teacher}", "--students",
        "convnet_none", "convnet1_w4", "--seeds", "0", "--threads", "1", "--out", "out", *students(teacher).words,
    ]  # fmt: skip
    with pytest.raises(SystemExit) as stop:
        main(command)
    shown = capsys.readouterr()
    assert stop.value.code == 1
    assert "error: 1 cell(s) failed:" in shown.err
    assert f"convnet_none taught by {TEACHER}: " in shown.err
    cell = read(Path(f"out/results/{TEACHER}--convnet1_w4"))
    assert f"{100 * cell['summary']['mean']['top1_last']:.1f}" in shown.out
    assert [failure["student"] for failure in json.loads(Path("out/cross.json").read_text())["failures"]] == [
        "convnet_none"
    ]
