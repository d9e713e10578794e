"""Every shipped configuration parses, repeats itself, and refuses what it does not know."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from hieramp_lit.cli import main
from tests.configs.shipped import BASES, COMMANDS, OVERLAYS, ROOT, name_of


def one_of_each_kind() -> list[Path]:
    """The first configuration of each pair of task and data module."""
    kinds: dict[tuple[str, str], Path] = {}
    for path in BASES:
        values = yaml.safe_load(path.read_text())
        kinds.setdefault((values["model"]["class_path"], values["data"]["class_path"]), path)
    return list(kinds.values())


def printed(capsys: pytest.CaptureFixture[str], command: str, *configs: Path, flags: Sequence[str] = ()) -> str:
    """The whole configuration as the command would run it."""
    flags = [*(f"--config={config}" for config in configs), *flags]
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([command, *flags, "--print_config"])
    shown = capsys.readouterr()
    assert stop.value.code == 0, shown.err
    return shown.out


def test_every_folder_has_a_command() -> None:
    assert {path.parent.name for path in BASES} == set(COMMANDS)
    assert all(path.suffix in {".yaml", ".md", ".sh"} for path in ROOT.glob("configs/**/*.*"))


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a configuration with the name it stands under."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, key)
    elif isinstance(value, str):
        yield key, value


def test_what_one_configuration_reads_another_one_writes() -> None:
    texts = {(path, *found) for path in BASES for found in _texts(yaml.safe_load(path.read_text()))}
    made = {(path, key, text) for path, key, text in texts if text.startswith(("sets/", "runs/", "tokens/"))}
    written = {text for _, key, text in made if key in {"output", "export"}}
    read = {(name_of(path), text) for path, key, text in made if key not in {"output", "export"}}
    assert ("student/digits", "sets/digits_amplified") in read
    assert [found for found in read if found[1] not in written] == []


@pytest.mark.parametrize("config", BASES, ids=name_of)
class TestEveryConfiguration:
    def test_parses_and_repeats_itself(self, config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        command = COMMANDS[config.parent.name]
        whole = printed(capsys, command, config)
        resolved = tmp_path / "resolved.yaml"
        resolved.write_text(whole)
        assert printed(capsys, command, resolved) == whole

    def test_says_first_what_it_reproduces(self, config: Path) -> None:
        assert config.read_text().startswith("# ")

    def test_parses_under_every_overlay(self, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        command = COMMANDS[config.parent.name]
        fitting = [path for path in OVERLAYS if command == "fit" or "model" not in yaml.safe_load(path.read_text())]
        printed(capsys, command, config, *fitting)


@pytest.mark.parametrize("section", ["model", "data", "trainer"])
@pytest.mark.parametrize("config", one_of_each_kind(), ids=name_of)
def test_refuses_an_unknown_key(config: Path, section: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    typo = tmp_path / "typo.yaml"
    values = {"batch_sise": 1} if section == "trainer" else {"init_args": {"batch_sise": 1}}
    typo.write_text(yaml.safe_dump({section: values}))
    with pytest.raises(SystemExit) as stop:
        main([COMMANDS[config.parent.name], "--config", str(config), "--config", str(typo), "--print_config"])
    assert stop.value.code == 2
    assert "batch_sise" in capsys.readouterr().err


@pytest.mark.parametrize("overlay", OVERLAYS, ids=name_of)
def test_overlays_hold_no_science(overlay: Path) -> None:
    assert overlay.read_text().startswith("# ")
    values = yaml.safe_load(overlay.read_text())
    # A debugging run may leave the weights of a real one alone.
    assert values.pop("model", None) in (None, {"init_args": {"export": None}})
    assert set(values) == {"trainer"}


TABLE_1 = {
    "cifar10": (10, 50),
    "cifar100": (10, 50),
    "imagewoof": (1, 10, 50),
    "imagenet100": (1, 10, 50),
    "imagenet": (1, 10, 50, 100),
}


@pytest.mark.parametrize(("data", "ipc"), [(data, ipc) for data, every in TABLE_1.items() for ipc in every])
def test_every_cell_of_table_1_is_configured(data: str, ipc: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The settings of Sec. 4.1 for the set, and students who look for it."""
    sizes = [f"--data.images_per_class={ipc}", f"--model.output=sets/{data}_ipc{ipc}"]
    made = yaml.safe_load(printed(capsys, "predict", ROOT / f"configs/generate/{data}.yaml", flags=sizes))
    model, plan = made["model"]["init_args"], made["data"]["init_args"]
    assert (plan["classes"], plan["images_per_class"]) == (data, ipc)
    assert model["sampling"] == {"cfg": 4.0, "top_k": 900, "top_p": 0.95}
    amplification = model["amplification"]
    assert (amplification["beta"], amplification["rho"], amplification["blocks"]) == (5.0, 0.5, [-2])
    assert (amplification["stages"], amplification["rule"]) == (["coarse", "mid", "fine"], "logit_bias")
    assert model["save_size"] == (32 if data.startswith("cifar") else 224)

    tuning = yaml.safe_load((ROOT / f"configs/token_tuning/{tuned_as(data)}.yaml").read_text())
    assert tuning["model"]["init_args"]["export"] == model["checkpoint"]
    student = yaml.safe_load(printed(capsys, "fit", ROOT / f"configs/student/{data}.yaml"))
    assert student["data"]["init_args"]["path"] == f"sets/{data}_ipc10"
    assert student["model"]["init_args"]["image_size"] == model["save_size"]
    protocol = student["model"]["init_args"]["protocol"]
    assert (student["trainer"]["max_epochs"], protocol["name"], protocol["epochs"]) == (-1, "rded", 300)


def tuned_as(data: str) -> str:
    """ImageNet's subsets are made with the weights that were tuned on all of it."""
    return "imagenet" if data.startswith("image") else data
