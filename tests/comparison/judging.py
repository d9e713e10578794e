"""Comparisons of seconds: tiny students on digits, and stages that run in the test's own process."""

from pathlib import Path

import torch

from hieramp_lit.checkpoints import save
from hieramp_lit.cli import main
from hieramp_lit.commands.stages import Stage
from hieramp_lit.comparison import StudentArguments
from hieramp_lit.students import create_student

ROOT = Path(__file__).parents[2]
TEACHER = "convnet1_w4"


class InThisProcess:
    """Runs stages here, where it takes less than a second each, and remembers them."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []

    def __call__(self, stage: Stage, root: Path) -> None:
        self.stages.append(stage)
        main(list(stage.arguments))
        assert all(path.is_file() for path in stage.outputs)

    @property
    def verbs(self) -> list[str]:
        """What was run since it was asked last."""
        verbs = [stage.arguments[0] for stage in self.stages]
        self.stages.clear()
        return verbs


def random_teacher(folder: Path, classes: int = 10) -> Path:
    path = folder / "teacher.safetensors"
    torch.manual_seed(0)
    save(path, create_student(TEACHER, classes, 32).state_dict())
    return path


def students(teacher: Path, *flags: str) -> StudentArguments:
    """The digits' students, made tiny."""
    files = (ROOT / "configs/student/digits.yaml", ROOT / "tests/tiny/student.yaml")
    tiny = ("--model.student", "convnet2_w4", "--model.teacher.architecture", TEACHER, "--trainer.logger", "false",
            "--model.teacher.checkpoint", str(teacher))  # fmt: skip
    return StudentArguments((*(word for file in files for word in ("--config", str(file))), *tiny, *flags))
