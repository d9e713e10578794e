from pathlib import Path

from hieramp_lit.comparison import Cell, StudentArguments, train
from hieramp_lit.shards import ShardSet
from tests.comparison.judging import InThisProcess, random_teacher, students
from tests.shards.making import NoiseGenerator, make_set


def test_seeds_are_added_to_a_cell_whatever_machine_they_come_from(tmp_path: Path) -> None:
    """Trained in earnest: one seed now, another one later by a command that differs in what decides nothing."""
    shards, asked = make_set(tmp_path / "set", NoiseGenerator()), students(random_teacher(tmp_path))
    run = InThisProcess()
    first = train(_cell(asked, shards, (0,), tmp_path), run, tmp_path)
    machine = asked.adding("--trainer.enable_model_summary", "false")
    both = train(_cell(machine, shards, (1, 0), tmp_path), run, tmp_path)
    assert [stage.arguments[stage.arguments.index("--seeds") + 1] for stage in run.stages] == ["0", "1"]
    assert both["student_seeds"] == [1, 0]
    assert both["per_seed"][1] == first["per_seed"][0]


def test_what_decides_the_students_decides_the_folder(tmp_path: Path) -> None:
    teacher = random_teacher(tmp_path)
    shards, other = (make_set(tmp_path / str(k), NoiseGenerator(), seed=k) for k in range(2))
    asked = students(teacher)
    folder = _cell(asked, shards, (0,), tmp_path).folder
    assert _cell(students(teacher), shards, (5,), tmp_path).folder == folder
    (tmp_path / "elsewhere").mkdir()
    same_weights = (tmp_path / "elsewhere/t.safetensors").resolve()
    same_weights.write_bytes(teacher.read_bytes())
    assert _cell(students(same_weights), shards, (0,), tmp_path).folder == folder
    moved = ShardSet.open((tmp_path / "0").rename(tmp_path / "moved"))
    assert _cell(asked, moved, (0,), tmp_path).folder == folder
    assert _cell(asked, other, (0,), tmp_path).folder != folder
    assert _cell(asked.adding("--model.protocol.lr", "0.5"), moved, (0,), tmp_path).folder != folder
    random_teacher(tmp_path, seed=1)
    assert _cell(students(teacher), moved, (0,), tmp_path).folder != folder


def _cell(asked: StudentArguments, shards: ShardSet, seeds: tuple[int, ...], root: Path) -> Cell:
    return Cell.of("students", asked, shards, seeds, root / "cells")
