"""Every run keeps its own configuration, wherever it logs."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import wandb
import yaml
from lightning.pytorch import LightningModule
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import CSVLogger, WandbLogger

from hieramp_lit.cli import main

CONFIG = """
model: lightning.pytorch.demos.boring_classes.BoringModel
data: lightning.pytorch.demos.boring_classes.BoringDataModule
trainer:
  accelerator: cpu
  max_steps: 1
  limit_val_batches: 0
  enable_progress_bar: false
  enable_model_summary: false
  enable_checkpointing: false
"""
BOTH_LOGGERS = """
trainer:
  logger:
    - {class_path: lightning.pytorch.loggers.CSVLogger, init_args: {save_dir: runs, name: both}}
    - {class_path: lightning.pytorch.loggers.WandbLogger, init_args: {save_dir: runs, project: hieramp}}
"""


@pytest.fixture(autouse=True)
def _configurations() -> None:
    Path("config.yaml").write_text(CONFIG)
    Path("both.yaml").write_text(BOTH_LOGGERS)


def test_each_run_has_its_own_file_and_it_repeats_the_run() -> None:
    main(["fit", "--config", "config.yaml"])
    main(["fit", "--config", "runs/version_0/config.yaml"])
    first, second = (Path(f"runs/version_{i}/config.yaml").read_text() for i in (0, 1))
    assert first == second
    assert yaml.safe_load(first)["trainer"]["max_steps"] == 1


@pytest.mark.filterwarnings("ignore:Experiment logs directory .* exists")  # Lightning replaces metrics.csv there
def test_a_run_that_continues_in_its_folder_overwrites_nothing() -> None:
    for steps in ("1", "2"):
        flags = ["--trainer.logger.version", "mine", "--trainer.max_steps", steps]
        main(["fit", "--config", "config.yaml", *flags])
    assert [
        yaml.safe_load(Path("runs/mine", name).read_text())["trainer"]["max_steps"]
        for name in ("config.yaml", "config-1.yaml")
    ] == [1, 2]


def test_wandb_holds_it_too_and_two_runs_do_not_collide(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = []

    def remember(self: LightningModule) -> None:
        csv, online = self.trainer.loggers
        assert isinstance(csv, CSVLogger)
        assert isinstance(online, WandbLogger)
        assert online.experiment is wandb.run  # wandb releases that Lightning cannot import fail here
        stored.append((csv.log_dir, online.experiment.id, dict(online.experiment.config)))

    monkeypatch.setattr(BoringModel, "on_train_start", remember)
    for _ in range(2):
        main(["fit", "--config", "config.yaml", "--config", "both.yaml"])
        wandb.finish()
    assert [Path(folder).name for folder, *_ in stored] == ["version_0", "version_1"]
    assert len({run for _, run, _ in stored}) == 2
    for folder, _, config in stored:
        assert config["trainer"]["max_steps"] == 1
        assert config["model"]["class_path"].endswith("BoringModel")
        assert yaml.safe_load(Path(folder, "config.yaml").read_text())["model"] == config["model"]


@pytest.mark.parametrize(("key", "mode"), [(None, "offline"), ("0" * 40, None)])
def test_without_a_key_wandb_records_offline(
    key: str | None, mode: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no_netrc"))
    monkeypatch.setenv("WANDB_API_KEY", key) if key else monkeypatch.delenv("WANDB_API_KEY", raising=False)
    import os

    from hieramp_lit.lightning_cli import HierampCLI

    logger = SimpleNamespace(class_path="lightning.pytorch.loggers.WandbLogger")
    cli = object.__new__(HierampCLI)
    cli.subcommand = "fit"
    cli.config = {"fit": {"trainer": SimpleNamespace(logger=[logger])}}
    cli.before_instantiate_classes()
    assert os.environ.get("WANDB_MODE") == mode
