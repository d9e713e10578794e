"""Comparisons of seconds: tiny students on digits, and stages that run in the test's own process."""

import json
from itertools import pairwise
from pathlib import Path

import torch

from hieramp_lit.checkpoints import save
from hieramp_lit.cli import main
from hieramp_lit.comparison import StudentArguments
from hieramp_lit.files import write_json
from hieramp_lit.report.results import Result
from hieramp_lit.seeds import stream
from hieramp_lit.shards import ShardSet
from hieramp_lit.stages import Stage
from hieramp_lit.students import create_student
from tests.report.test_results import result

ROOT = Path(__file__).parents[2]
TEACHER = "convnet1_w4"


class InThisProcess:
    """Runs stages here, where it takes less than a second each, and remembers them."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []

    def __call__(self, stage: Stage, root: Path) -> None:
        self.stages.append(stage)
        main([*stage.arguments, *stage.resume()])
        assert all(path.is_file() for path in stage.outputs)

    @property
    def verbs(self) -> list[str]:
        """What was run since it was asked last."""
        verbs = [stage.arguments[0] for stage in self.stages]
        self.stages.clear()
        return verbs


class Pretended(InThisProcess):
    """Makes sets, and writes results that nobody trained for: accuracies drawn from set, seed and flags."""

    def __call__(self, stage: Stage, root: Path) -> None:
        if stage.arguments[0] == "predict":
            super().__call__(stage, root)
            return
        self.stages.append(stage)
        words = list(stage.arguments)
        shards = ShardSet.open(words[words.index("--data.path") + 1])
        for file in stage.outputs:
            seed = int(file.parent.name.removeprefix("seed-"))
            write_json(file, pretended_result(shards, seed, words[: words.index("--data.path")]))


def pretended_result(shards: ShardSet, seed: int, words: list[str]) -> Result:
    manifest = shards.manifest
    last, best = torch.rand(2, generator=stream("pretended", manifest.hash, seed, *words)).tolist()
    made: Result = result(last, best, seed, protocol={"name": "rded", "constants": {}})
    made["set"] |= {
        "name": shards.path.name, "generator": manifest.generator, "images_per_class": manifest.images_per_class,
        "images": len(shards), "manifest_sha256": [manifest.hash], "generate_seeds": [manifest.seed],
    }  # fmt: skip
    made["per_seed"][0] |= {"manifest_sha256": manifest.hash, "generate_seed": manifest.seed}
    made["per_seed"][0]["last"]["per_class"] = [last] * len(shards.classes)
    made["student"] = {
        "norm": None,
        "architecture": [word for flag, word in pairwise(words) if flag == "--model.student"][-1],
    }
    teachers = [word for flag, word in pairwise(words) if flag == "--model.teacher"]
    if teachers:
        teacher = json.loads(teachers[-1])
        made["teacher"] = {"architecture": teacher["architecture"], "sha256": "t", "validation_top1": 0.9}
    return made


def random_teacher(folder: Path, seed: int = 0) -> Path:
    path = folder / "teacher.safetensors"
    torch.manual_seed(seed)
    save(path, create_student(TEACHER, 10, 32).state_dict())
    return path


def students(teacher: Path, *flags: str) -> StudentArguments:
    """The digits' students, made tiny."""
    files = (ROOT / "configs/student/digits.yaml", ROOT / "tests/tiny/student.yaml")
    tiny = ("--model.student", "convnet2_w4", "--model.teacher.architecture", TEACHER, "--trainer.logger", "false",
            "--model.teacher.checkpoint", str(teacher))  # fmt: skip
    return StudentArguments((*(word for file in files for word in ("--config", str(file))), *tiny, *flags))
