"""What a sweep takes for the same trial is what `hieramp distill` takes for it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from hieramp_lit.commands.trial_hash import trial_hash
from hieramp_lit.distill import plan_stages, read_command_line, read_trial

ROOT = Path(__file__).parents[2]
COMMAND = ("/usr/bin/env", "hieramp", "distill")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A trial whose set, its weights and its students are files of the test."""
    (tmp_path / "weights.safetensors").write_bytes(b"weights")
    (tmp_path / "set.yaml").write_text((ROOT / "configs/generate/digits.yaml").read_text())
    trial = {
        "name": "tiny", "store": str(tmp_path / "store"), "tune": None, "real": None, "inspect": None, "wandb": None,
        "generate": {"config": [str(tmp_path / "set.yaml")], "model.checkpoint": str(tmp_path / "weights.safetensors")},
        "students": None,
    }  # fmt: skip
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump(trial))
    return path


def remade_weights(config: Path) -> None:
    (config.parent / "weights.safetensors").write_bytes(b"others!")


def nested(config: Path) -> None:
    path = config.parent / "set.yaml"
    text = path.read_text()
    assert "coarse: 5.0" in text
    path.write_text(text.replace("coarse: 5.0", "coarse: 4.0"))


def comment(config: Path) -> None:
    for path in (config, config.parent / "set.yaml"):
        path.write_text(f"# a comment\n{path.read_text()}")


@pytest.mark.parametrize(
    ("edit", "same"), [(comment, True), (nested, False), (remade_weights, False)], ids=["comment", "nested", "weights"]
)
def test_it_changes_with_what_decides_the_trial(config: Path, edit: Callable[[Path], None], same: bool) -> None:
    before = trial_hash([*COMMAND, "--config", str(config)])
    assert before == plan_stages(read_trial(read_command_line([f"--config={config}"])[0])).hash
    edit(config)
    assert (trial_hash([*COMMAND, f"--config={config}", "--out", "x"]) == before) is same


def test_what_would_be_refused_has_none(config: Path) -> None:
    given = [*COMMAND, "--config", str(config)]
    assert trial_hash([*given, "--generate.model.amplification.rho=1.5"]) == ""
    assert trial_hash([*given[:-1], "absent.yaml"]) == ""
    assert trial_hash([*given, "--store"]) == ""
    (config.parent / "set.yaml").write_bytes(b"\xff\xfe: [")
    assert trial_hash(given) == ""


def test_other_commands_are_unknown() -> None:
    assert trial_hash(["/usr/bin/env", "python", "train.py", "distill"]) is None
    assert trial_hash(["hieramp", "students", "--config", "distill"]) is None
