"""Every shipped configuration is a test case: it parses, it refuses what it does not know, it repeats itself."""

from pathlib import Path

import pytest
import yaml

from hieramp_lit.cli import main

ROOT = Path(__file__).parents[1]
COMMANDS = {"tokenizer": "fit", "token_tuning": "fit", "student": "fit", "generate": "predict"}
OVERLAYS = sorted(ROOT.glob("configs/overlays/*.yaml"))
BASES = [path for path in sorted(ROOT.glob("configs/*/*.yaml")) if path not in OVERLAYS]


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def printed(capsys: pytest.CaptureFixture[str], command: str, *configs: Path) -> str:
    """The whole configuration as the command would run it."""
    flags = [item for config in configs for item in ("--config", str(config))]
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([command, *flags, "--print_config"])
    shown = capsys.readouterr()
    assert stop.value.code == 0, shown.err
    return shown.out


def test_every_folder_has_a_command() -> None:
    assert {path.parent.name for path in BASES} == set(COMMANDS)
    assert all(path.suffix in {".yaml", ".md"} for path in ROOT.glob("configs/**/*.*"))


@pytest.mark.parametrize("config", BASES, ids=_name)
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
        for overlay in OVERLAYS:
            printed(capsys, command, config, overlay)

    @pytest.mark.parametrize("section", ["model", "data", "trainer"])
    def test_refuses_an_unknown_key(
        self, config: Path, section: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        typo = tmp_path / "typo.yaml"
        values = {"batch_sise": 1} if section == "trainer" else {"init_args": {"batch_sise": 1}}
        typo.write_text(yaml.safe_dump({section: values}))
        with pytest.raises(SystemExit) as stop:
            main([COMMANDS[config.parent.name], "--config", str(config), "--config", str(typo), "--print_config"])
        assert stop.value.code == 2
        assert "batch_sise" in capsys.readouterr().err


@pytest.mark.parametrize("overlay", OVERLAYS, ids=_name)
def test_overlays_hold_no_science(overlay: Path) -> None:
    assert overlay.read_text().startswith("# ")
    assert set(yaml.safe_load(overlay.read_text())) == {"trainer"}
