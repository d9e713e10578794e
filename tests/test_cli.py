"""The command line: what it says, what it refuses, and that nothing overrides what the user typed."""

import logging
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import ClassVar

import pytest
import torch
import yaml
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.cli import LightningCLI
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from hieramp_lit import __version__, lightning_cli
from hieramp_lit.checkpoints import save
from hieramp_lit.cli import COMMANDS, LIGHTNING_COMMANDS, main
from hieramp_lit.lightning_cli import HierampCLI

CONFIGS = Path(__file__).parents[1] / "configs"


class Knob(LightningModule):
    """A task with one weight and one run-time knob that, unlike our tasks, a checkpoint stores."""

    seen: ClassVar[list[tuple[str, float, float, int, bool]]] = []

    def __init__(self, strength: float = 1.0) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.strength = strength
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def _see(self, stage: str) -> None:
        kept = stage == "predict" and self.trainer.predict_loop.return_predictions
        self.seen.append((stage, self.strength, self.weight.item(), self.global_step, kept))

    def on_fit_start(self) -> None:
        self._see("fit")

    def training_step(self, batch: list[Tensor]) -> Tensor:
        self.log("train/loss", self.weight)
        return self.weight * self.strength

    def validation_step(self, batch: list[Tensor]) -> None:
        self._see("validate")

    def test_step(self, batch: list[Tensor]) -> None:
        self._see("test")

    def predict_step(self, batch: list[Tensor]) -> Tensor:
        self._see("predict")
        return batch[0]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0)


class OtherKnob(Knob):
    """Another class with the same weights, as generation is to tuning."""


class Numbers(LightningDataModule):
    """One batch of one number for every stage."""

    def _loader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(TensorDataset(torch.zeros(1)))

    train_dataloader = test_dataloader = predict_dataloader = _loader

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return self._loader()


BASE = {
    "model": {"class_path": "tests.test_cli.Knob"},
    "data": {"class_path": "tests.test_cli.Numbers"},
    "trainer": {
        "accelerator": "cpu",
        "max_steps": 1,
        "num_sanity_val_steps": 0,
        "limit_val_batches": 0,
        "log_every_n_steps": 1,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    },
}


@pytest.fixture
def config() -> str:
    Knob.seen.clear()
    Path("config.yaml").write_text(yaml.safe_dump(BASE))
    return "config.yaml"


@pytest.fixture
def checkpoint(config: str) -> str:
    main(["fit", "--config", config, "--trainer.logger.name", "first"])
    Knob.seen.clear()
    (path,) = Path("runs/first/version_0/checkpoints").glob("*.ckpt")
    stored = torch.load(path, weights_only=True)
    assert stored["hyper_parameters"]["strength"] == 1.0  # so the trap is set
    assert stored["state_dict"]["weight"].item() == -1.0
    return str(path)


class TestOverview:
    def test_help_lists_every_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stop:
            main(["--help"])
        assert stop.value.code == 0
        shown = capsys.readouterr().out
        for name, summary in {**LIGHTNING_COMMANDS, **COMMANDS}.items():
            assert f"  {name} " in shown
            assert summary in shown
        assert "HIERAMP_DEBUG" in shown

    @pytest.mark.parametrize("command", [*LIGHTNING_COMMANDS, *COMMANDS])
    def test_every_command_explains_itself(self, command: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0
        assert f"usage: hieramp {command} " in capsys.readouterr().out

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stop:
            main(["--version"])
        assert stop.value.code == 0
        assert __version__ in capsys.readouterr().out

    def test_no_command_shows_the_help_and_fails(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stop:
            main([])
        assert stop.value.code == 2
        assert "predict" in capsys.readouterr().err

    def test_unknown_command_suggests_the_nearest(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stop:
            main(["predcit"])
        assert stop.value.code == 2
        assert "Did you mean 'predict'?" in capsys.readouterr().err

    def test_installed_command_and_module_are_the_same(self) -> None:
        installed = Path(sys.executable).with_name("hieramp")
        answers = [
            subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
            for command in ([str(installed)], [sys.executable, "-m", "hieramp_lit"])
        ]
        assert answers[0] == answers[1]
        assert "predict" in answers[0]

    def test_help_starts_without_lightning_and_torch(self) -> None:
        code = "import sys, hieramp_lit.cli; sys.exit(bool({'torch', 'lightning'} & set(sys.modules)))"
        assert subprocess.run([sys.executable, "-c", code]).returncode == 0


class TestRefusals:
    @pytest.mark.parametrize(
        ("flags", "said"),
        [
            (["--model.strenght", "2"], "strenght"),
            (["--trainer.max_stepss", "2"], "max_stepss"),
            (["--optimizer", "SGD"], "optimizer"),
            (["--config", "typo.yaml"], "trainr"),
            (["--config", "absent.yaml"], "absent.yaml"),
            (["--trainer.max_steps", "many"], "max_steps"),
        ],
    )
    def test_what_is_unknown_or_wrong_is_named(
        self, config: str, flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Path("typo.yaml").write_text("trainr: {max_steps: 2}\n")
        with pytest.raises(SystemExit) as stop:
            main(["fit", "--config", config, *flags])
        assert stop.value.code == 2
        assert said in capsys.readouterr().err
        assert not Knob.seen

    def test_predict_has_no_switch_that_keeps_images(self, config: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stop:
            main(["predict", "--config", config, "--return_predictions", "true"])
        assert stop.value.code == 2
        assert "return_predictions" in capsys.readouterr().err

    def test_tokenize_runs_no_other_task(self, config: str) -> None:
        with pytest.raises(ValueError, match=r"`hieramp tokenize` runs the task Tokenization.*Knob"):
            main(["tokenize", "--config", config])
        assert not Knob.seen

    def test_predictions_are_not_kept(self, config: str) -> None:
        main(["predict", "--config", config])
        assert [(stage, kept) for stage, *_, kept in Knob.seen] == [("predict", False)]

    def test_a_cpu_keeps_its_memory_from_the_first_step_on(self, config: str, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[str, int]] = []
        monkeypatch.setattr(
            lightning_cli, "keep_freed_memory", lambda device: asked.append((device.type, len(Knob.seen)))
        )
        main(["fit", "--config", config])
        assert asked == [("cpu", 0)]
        assert Knob.seen


# Each run has its own folder, so a resumed one keeps its checkpoints elsewhere; Lightning remarks on it.
@pytest.mark.filterwarnings("ignore:The dirpath has changed")
class TestCheckpointsNeverOverrideTheUser:
    def test_predict_names_the_right_key(
        self, config: str, checkpoint: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as stop:
            main(["predict", "--config", config, "--ckpt_path", checkpoint])
        assert stop.value.code == 2
        assert "model.init_args.checkpoint" in capsys.readouterr().err

    @pytest.mark.parametrize("command", ["validate", "test"])
    def test_weights_come_from_the_checkpoint_and_nothing_else(
        self, config: str, checkpoint: str, command: str
    ) -> None:
        flags = ["--model.strength", "5", "--trainer.limit_val_batches", "1", "--ckpt_path", checkpoint]
        main([command, "--config", config, *flags])
        assert [seen[:3] for seen in Knob.seen] == [(command, 5.0, -1.0)]

    def test_fit_resumes_with_what_was_typed(self, config: str, checkpoint: str) -> None:
        flags = ["--model.strength", "5", "--trainer.max_steps", "2", "--ckpt_path", checkpoint]
        main(["fit", "--config", config, *flags])
        assert [seen[1] for seen in Knob.seen] == [5.0]
        (path,) = Path("runs/version_0/checkpoints").glob("*step=2.ckpt")
        assert torch.load(path, weights_only=True)["state_dict"]["weight"].item() == -6.0  # -1, then 5 more

    @pytest.mark.parametrize("command", ["fit", "validate", "test"])
    @pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth", "cut.ckpt", "pickled.ckpt"])
    def test_what_no_fit_wrote_is_refused_with_the_right_key(
        self, config: str, checkpoint: str, command: str, name: str
    ) -> None:
        if name == "cut.ckpt":
            Path(name).write_bytes(Path(checkpoint).read_bytes()[:500])
        elif name == "pickled.ckpt":
            torch.save({"pytorch-lightning_version": "2.6.0", "state_dict": {}, "who": Knob}, name)
        else:
            save(Path(name), {"weight": torch.zeros(())})
        with pytest.raises(ValueError, match=rf"--ckpt_path {name}.*\n?.*continues a fit.*--model\.checkpoint FILE"):
            main([command, "--config", config, "--ckpt_path", name])
        assert not Knob.seen

    def test_the_class_stays_the_one_asked_for(
        self, config: str, checkpoint: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []
        monkeypatch.setattr(OtherKnob, "on_test_start", lambda self: asked.append(type(self)), raising=False)
        main(["test", "--config", config, "--model", "tests.test_cli.OtherKnob", "--ckpt_path", checkpoint])
        assert asked == [OtherKnob]

    def test_lightning_still_has_the_trap(self, config: str, checkpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """When this fails, Lightning has mended it and our override of its private method can go."""
        monkeypatch.setattr(HierampCLI, "_parse_ckpt_path", LightningCLI._parse_ckpt_path)
        main(["test", "--config", config, "--model.strength", "5", "--ckpt_path", checkpoint])
        assert Knob.seen[0][1] == 1.0


class TestErrors:
    @pytest.fixture
    def typed(self, config: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["hieramp", "export-weights", "absent.ckpt", "--out", "x.pth"])

    @pytest.mark.usefixtures("typed")
    def test_a_mistake_is_one_message(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 1
        shown = capsys.readouterr().err
        assert "absent.ckpt" in shown
        assert "Traceback" not in shown

    @pytest.mark.usefixtures("typed")
    def test_the_traceback_can_be_had(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HIERAMP_DEBUG", "1")
        with pytest.raises(FileNotFoundError):
            main()

    def test_python_callers_see_the_exception(self, config: str) -> None:
        with pytest.raises(FileNotFoundError, match=r"absent\.ckpt"):
            main(["export-weights", "absent.ckpt", "--out", "x.pth"])

    @pytest.mark.parametrize(
        ("flags", "kind", "said"),
        [
            (["--model.protocol.temperature=-1"], ValueError, "model.protocol.temperature=-1.0 is out of range"),
            (["--data.batch_size=0"], ValueError, "data.batch_size=0 must be at least 1"),
        ],
    )
    def test_what_a_constructor_refuses_arrives_as_it_was_said(
        self,
        flags: list[str],
        kind: type[Exception],
        said: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        typed = ["fit", "--config", str(CONFIGS / "student" / "digits.yaml"), *flags]
        with pytest.raises(kind, match=f"^{re.escape(said)}"):
            main(typed)
        monkeypatch.setattr(sys, "argv", ["hieramp", *typed])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 1
        assert f"error: {said}" in capsys.readouterr().err

    def test_a_missing_weight_file_names_its_key(self) -> None:
        typed = ["predict", "--config", str(CONFIGS / "generate" / "folder.yaml")]
        with pytest.raises(FileNotFoundError, match=r"^[\w.]*checkpoint='runs/mine"):
            main(typed)

    def test_a_defect_keeps_its_traceback(self, config: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["hieramp", "test", "--config", config])
        monkeypatch.setattr(Knob, "test_step", lambda self, batch: torch.zeros(2) @ torch.zeros(3))
        with pytest.raises(RuntimeError, match="size"):
            main()

    def test_parts_that_do_not_fit_are_one_message(
        self, config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["hieramp", "fit", "--config", config])
        monkeypatch.delattr(Knob, "training_step")
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 1
        assert "training_step" in capsys.readouterr().err


class TestDefaults:
    def test_printed_configuration_tells_them(self, config: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            main(["fit", "--config", config, "--print_config"])
        printed = capsys.readouterr().out
        values = yaml.safe_load(printed)
        assert values["seed_everything"] == 0
        assert values["trainer"]["use_distributed_sampler"] is False
        assert values["trainer"]["logger"]["class_path"].endswith("RunLogger")
        assert f"hieramp_lit=={__version__}" in printed

    def test_arguments_and_noise_filters_leave_no_trace(self, config: str) -> None:
        log = logging.getLogger("lightning.pytorch.utilities.rank_zero")
        before = (list(sys.argv), list(warnings.filters), list(log.filters))
        main(["test", "--config", config])
        assert (list(sys.argv), list(warnings.filters), list(log.filters)) == before

    def test_later_configurations_override_earlier_ones(self, config: str) -> None:
        Path("overlay.yaml").write_text("model: {init_args: {strength: 3}}\n")
        main(["test", "--config", config, "--config", "overlay.yaml"])
        assert Knob.seen[0][1] == 3.0
