"""The resolved configuration beside each run's results."""

from itertools import count
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.loggers import CSVLogger, WandbLogger


class RunConfigCallback(SaveConfigCallback):
    """Stores the whole resolved configuration in every run's own place, once per run.

    Lightning's own callback writes to the first logger's ``save_dir``, which runs share with W&B: the second run dies
    there. This one writes ``config.yaml`` into the CSV logger's version folder (``config-1.yaml``, … when a run
    continues in the same folder: nothing is overwritten) and the same values into W&B's config.
    """

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the configuration; Lightning calls this on rank zero only."""
        text: str = self.parser.dump(self.config, skip_unset=False, format="yaml")
        for logger in trainer.loggers:
            if isinstance(logger, CSVLogger):
                _ = logger.experiment  # makes the folder; later it would warn that the folder is not empty
                _write_beside_earlier(Path(logger.log_dir), text)
            elif isinstance(logger, WandbLogger):
                config: dict[str, Any] = yaml.safe_load(text)
                logger.log_hyperparams(config)


def _write_beside_earlier(folder: Path, text: str) -> None:
    for attempt in count():
        path = folder / ("config.yaml" if attempt == 0 else f"config-{attempt}.yaml")
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        return
