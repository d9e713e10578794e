import csv
import json
from pathlib import Path

import pytest

from hieramp_lit.comparison import CrossArchitecture, cross, parse_teacher
from hieramp_lit.comparison.cross import NamedTeacher, reason
from hieramp_lit.report import read
from hieramp_lit.report.cross import FAILED, cross_table
from hieramp_lit.stages import Stage, StageError
from tests.comparison.judging import TEACHER, Pretended, random_teacher, students
from tests.data.digits_set import make_digits_set

STUDENTS = ("convnet1_w4", "convnet2_w4")


def crossed(root: Path, **changes: object) -> CrossArchitecture:
    teacher = root / "teacher.safetensors"
    return CrossArchitecture(
        **{
            "shards": root / "set", "arguments": students(teacher), "students": STUDENTS, "seeds": (0, 1),
            "teachers": (NamedTeacher(TEACHER, str(teacher)), NamedTeacher("convnet3", str(root / "missing.pth"))),
            "out": root / "out",
            **changes,
        }
    )  # fmt: skip


def test_cells_are_laid_out_resumed_and_fail_alone(tmp_path: Path) -> None:
    make_digits_set(tmp_path / "set")
    random_teacher(tmp_path)
    run, told = Pretended(), list[str]()
    done: list[tuple[int, int]] = []
    outcomes = cross(crossed(tmp_path), run, told.append, lambda number, total: done.append((number, total)))
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert list(outcomes) == [(teacher, student) for teacher in (TEACHER, "convnet3") for student in STUDENTS]
    assert run.verbs == ["students"] * 2
    assert len(told) == 2
    assert all("missing.pth" in line for line in told)

    out = tmp_path / "out"
    data = json.loads((out / "cross.json").read_text())
    assert [failure["teacher"] for failure in data["failures"]] == ["convnet3"] * 2
    lines = list(csv.DictReader((out / "cross.csv").read_text().splitlines()))
    texts = []
    for cell, line in zip(data["cells"], lines[:2], strict=True):
        file = read(out / "results" / f"{cell['teacher']}--{cell['student']}")
        assert file["student"]["architecture"] == cell["student"]
        assert file["teacher"]["architecture"] == cell["teacher"] == TEACHER
        assert file["student_seeds"] == [0, 1]
        assert file["summary"] == cell["summary"]
        mean, std = cell["summary"]["mean"], cell["summary"]["std_sample"]
        assert float(line["top1_last_mean"]) == mean["top1_last"]
        assert float(line["top1_best_std_sample"]) == std["top1_best"]
        measures = ("top1_last", "top1_best")
        texts.append(" / ".join(f"{100 * mean[name]:.1f} ± {100 * std[name]:.1f}" for name in measures))
    assert [line["top1_last_mean"] for line in lines[2:]] == ["", ""]
    shown = (out / "cross.md").read_text()
    assert f"| {TEACHER} | {' | '.join(texts)} |" in shown
    assert f"| convnet3 | {FAILED} | {FAILED} |" in shown
    drawn = [list(column.cells) for column in cross_table(outcomes).columns]
    assert drawn == [[TEACHER, "convnet3"], *([text, FAILED] for text in texts)]

    done.clear()
    one_teacher = crossed(tmp_path, teachers=crossed(tmp_path).teachers[:1])
    again = cross(one_teacher, run, told.append, lambda number, total: done.append((number, total)))
    assert not done  # what was trained before counts for no pace
    assert run.verbs == []
    assert again == {pair: outcome for pair, outcome in outcomes.items() if pair[0] == TEACHER}


def test_a_teacher_keeps_the_other_settings_of_the_configuration(tmp_path: Path) -> None:
    teacher = parse_teacher(f"{TEACHER}={tmp_path / 'a=b.pth'}")
    assert teacher == NamedTeacher(TEACHER, str(tmp_path / "a=b.pth"))
    own = students(Path("x"), "--model.teacher.rows", "[3, 1]")

    def given(named: NamedTeacher) -> dict[str, object]:
        configured = own.values["model"]["init_args"]["teacher"]
        teacher: dict[str, object] = own.adding(*named.flags(configured)).values["model"]["init_args"]["teacher"]
        return teacher

    unchanged = {"rows": [3, 1], "num_classes": None, "norm": None, "mean": None, "std": None}
    assert given(teacher) == {
        "architecture": TEACHER, "checkpoint": teacher.checkpoint, "pretrained": False, **unchanged
    }  # fmt: skip
    assert given(parse_teacher("resnet18")) == {
        "architecture": "resnet18", "checkpoint": None, "pretrained": True, **unchanged
    }  # fmt: skip


def test_a_network_that_does_not_exist_fails_before_anything_runs(tmp_path: Path) -> None:
    make_digits_set(tmp_path / "set")
    random_teacher(tmp_path)
    run = Pretended()
    (text,) = cross(
        crossed(tmp_path, students=("convnet_none",), teachers=crossed(tmp_path).teachers[:1]), run, print
    ).values()
    assert "convnet_none" in text
    assert run.verbs == []


def test_hard_labels_are_refused_since_no_teacher_is_asked(tmp_path: Path) -> None:
    make_digits_set(tmp_path / "set")
    run = Pretended()
    hard = students(random_teacher(tmp_path), "--model.protocol.labels", "hard")
    with pytest.raises(ValueError, match=r"model\.protocol\.labels is hard: no teacher is asked"):
        cross(crossed(tmp_path, arguments=hard), run, print)
    assert run.verbs == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["", "=x.pth", "resnet18="])
def test_teachers_that_are_half_named_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="NAME=CHECKPOINT"):
        parse_teacher(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": (1, 1)},
        {"students": ("resnet18", "resnet18")},
        {"teachers": (NamedTeacher("a", None), NamedTeacher("a", "x"))},
    ],
)
def test_what_comes_twice_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"--{next(iter(changes))} .*comes twice"):
        crossed(tmp_path, **changes)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (
            "$ hieramp students\nEpoch 1\n\nerror: no such\nnetwork\n(ValueError; HIERAMP_DEBUG=1 shows)\n",
            "no such network",
        ),
        ("$ hieramp students\nTraceback\n  File\nKeyError: 3\n\n", "KeyError: 3"),
        ("", "x failed with exit code 1"),
    ],
)
def test_the_reason_is_what_the_process_said_last(tmp_path: Path, log: str, said: str) -> None:
    path = tmp_path / "x.log"
    path.write_text(log)
    text = reason(StageError(Stage("x", ("students",), tmp_path), 1, path))
    assert text.startswith(said)
    assert text.endswith(f"(whole output: {path})")
