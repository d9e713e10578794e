"""From a data set to a student's accuracy through shipped configurations, each reading what the one before wrote.

Only sizes and the published weights are exchanged; class lists, rows, labels and the names of files are the
configurations' own.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from hieramp_lit.checkpoints import read_tensors
from hieramp_lit.classes import load_classes
from hieramp_lit.cli import main
from hieramp_lit.report import results
from hieramp_lit.shards import ShardSet
from tests.configs.inputs import SIDE, TinyInputs
from tests.configs.shipped import COMMANDS, ROOT

Run = Callable[..., None]


@pytest.fixture
def run(put_inputs: Callable[[Path], Path], tiny_inputs: TinyInputs, tmp_path: Path) -> Run:
    """Run a configuration made small, but for the keys of the inputs that it is to read as they are."""

    def run_one(name: str, keep: Sequence[str] = (), *flags: str) -> None:
        config = ROOT / "configs" / f"{name}.yaml"
        inputs = put_inputs(config)
        values = yaml.safe_load(inputs.read_text())
        for key in keep:
            section, argument = key.split(".")
            values[section]["init_args"].pop(argument)
        inputs.write_text(yaml.safe_dump(values))
        folder = config.parent.name
        tiny = ROOT / "tests" / "tiny" / f"{folder}.yaml"
        main([COMMANDS[folder], f"--config={config}", f"--config={tiny}", f"--config={inputs}", *flags])

    return run_one


def check(path: str, classes: str, images: int) -> None:
    """A set of `images` images a class of a class list, and the result of a student on it."""
    made = ShardSet.open(path)
    made.verify()
    assert made.classes == load_classes(classes)
    assert [(sample.cls, sample.row) for sample in made] == [
        (entry.cls, entry.row) for entry in made.classes.entries for _ in range(images)
    ]
    (result,) = Path("runs/student").rglob(results.FILE)
    found = results.read(result)
    assert found["set"]["name"] == Path(path).name


@pytest.mark.slow
@pytest.mark.parametrize(
    "tuned", [["tokenize/imagenet", "token_tuning/imagenet_cached"], ["token_tuning/imagenet_wds"]]
)
def test_imagenet_from_folders_tokens_and_shards_to_a_student_on_a_subset(tuned: list[str], run: Run) -> None:
    for name in tuned:
        run(name, ["data.path"] if name.endswith("cached") else [])
    assert read_tensors(Path("runs/imagenet/class_tokens.safetensors"))["class_emb.weight"].shape[0] == 1001
    run("generate/imagewoof", ["model.checkpoint", "data.class_subset"])
    run("student/imagewoof", ["data.path"], "--data.path=sets/imagewoof_ipc10")
    check("sets/imagewoof_ipc10", "imagewoof", 1)


@pytest.mark.slow
def test_cifar_learns_new_classes_and_comes_back_to_its_own_size(run: Run) -> None:
    run("token_tuning/cifar10")
    assert read_tensors(Path("runs/cifar10/class_tokens.safetensors"))["class_emb.weight"].shape[0] == 11
    run("generate/cifar10", ["model.checkpoint", "data.class_subset", "data.images_per_class"])
    run("student/cifar10", ["data.path"])
    check("sets/cifar10_ipc10", "cifar10", 10)
    assert next(iter(ShardSet.open("sets/cifar10_ipc10"))).image.shape == (SIDE, SIDE, 3)


@pytest.mark.slow
def test_tiny_imagenet_from_scratch(run: Run) -> None:
    run("tokenizer/tiny_imagenet_own")
    run("token_tuning/tiny_imagenet_own", ["model.tokenizer"])
    run("generate/tiny_imagenet_own", ["model.checkpoint", "model.tokenizer", "data.class_subset"])
    run("student/tiny_imagenet", ["data.path"])
    made = ShardSet.open("sets/tiny_imagenet_own_ipc10")
    wnids = Path("datasets/tiny-imagenet-200/wnids.txt").read_text().split()
    assert [(entry.row, entry.wnid) for entry in made.classes.entries] == list(enumerate(wnids))
