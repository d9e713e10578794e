"""Pictures of what is being trained, drawn while it trains, in the run's folder and in W&B."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger, WandbLogger
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from PIL import Image

from hieramp_lit.files import atomic_write
from hieramp_lit.jobs import RunStoppedError

FOLDER = "samples"
_log = logging.getLogger(__name__)


class Picture(NamedTuple):
    """One picture of one step.

    Attributes:
        name: Of its file, before the step: ``maps`` for ``maps-000150.png``.
        key: In W&B, behind ``samples/``.
        image: The picture.
    """

    name: str
    key: str
    image: Image.Image


class SampleSheets(Callback, ABC):
    """Draws pictures at every validation, or every few steps, and at the end of a fit; rank 0 alone.

    It looks on: no random stream moves, no network changes its mode, no gradient is touched, and what it needed is
    freed. A fit with it has the very bits of one without it. What goes wrong in it (a full disk, too little memory, no
    way to W&B) is told in a warning, once, and at the end with the steps that lack their pictures; the fit goes on.

    Pictures are ``samples/NAME-STEP.png`` in the folder of the run's CSV logger, or of ``trainer.default_root_dir``.
    Equal weights at an equal step give equal bytes.

    Args:
        every_n_steps: Optimizer steps between pictures; null draws them at every validation instead, 0 none at all.

    Raises:
        ValueError: If `every_n_steps` is below 0.
    """

    def __init__(self, every_n_steps: int | None = None) -> None:
        super().__init__()
        if every_n_steps is not None and every_n_steps < 0:
            raise ValueError(
                f"{type(self).__name__}.every_n_steps={every_n_steps}: expected 1 or more, 0 for none, null for every "
                "validation."
            )
        self.every_n_steps = every_n_steps
        self._drawn: int | None = None
        self._missed: list[int] = []
        self._not_in_wandb: list[int] = []
        self._off = False

    @abstractmethod
    def pictures(self, trainer: Trainer, pl_module: LightningModule) -> Sequence[Picture]:
        """Draw; called on rank 0, without gradients and with the global random streams put back afterwards."""

    def check(self, trainer: Trainer, pl_module: LightningModule) -> str | None:
        """Why there can be no pictures in this run; None if there can.

        Raises:
            ValueError: If the callback does not belong to the task, or its arguments do not fit it.
        """
        return None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say so where there can be no pictures.

        Raises:
            ValueError: As `check`.
        """
        self._drawn, self._missed, self._not_in_wandb, self._off = None, [], [], True
        if self.every_n_steps == 0:
            return
        reason = self.check(trainer, pl_module)
        self._off = reason is not None
        if reason is not None:
            rank_zero_warn(f"{type(self).__name__} draws nothing in this run: {reason}")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Draw after every so many optimizer steps."""
        if self.every_n_steps and trainer.global_step and trainer.global_step % self.every_n_steps == 0:
            self._draw(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw, unless steps decide."""
        if self.every_n_steps is None and trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            self._draw(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the final weights, and say what is missing."""
        self._draw(trainer, pl_module)
        if not trainer.is_global_zero:
            return
        if self._missed:
            steps = ", ".join(map(str, self._missed))
            rank_zero_warn(f"{type(self).__name__}: no pictures of step {steps}, see the first warning.")
        elif not self._off:
            rank_zero_info(f"Pictures of the training: {self._folder(trainer)}")
        if self._not_in_wandb:
            steps = ", ".join(map(str, self._not_in_wandb))
            rank_zero_warn(
                f"{type(self).__name__}: the pictures of step {steps} are files in {self._folder(trainer)}, and not "
                "all in W&B, see the first warning about it."
            )

    def _draw(self, trainer: Trainer, pl_module: LightningModule) -> None:
        step = trainer.global_step
        if self._off or step == self._drawn or not trainer.is_global_zero:
            return
        self._drawn = step
        with self._going_on(step, "draw", self._missed):
            with _looking_on(pl_module.device):
                pictures = self.pictures(trainer, pl_module)
            for picture in pictures:
                with atomic_write(self._folder(trainer) / f"{picture.name}-{step:06d}.png") as temporary:
                    picture.image.save(temporary, format="PNG")
        if step in self._missed:
            return
        with self._going_on(step, "send to W&B, though their files are written, the pictures of", self._not_in_wandb):
            for picture in pictures:
                for logger in trainer.loggers:
                    if isinstance(logger, WandbLogger):
                        logger.log_image(f"{FOLDER}/{picture.key}", [picture.image], step, caption=[f"step {step}"])

    @contextmanager
    def _going_on(self, step: int, what: str, failed: list[int]) -> Iterator[None]:
        """Whatever goes wrong inside, hours of training are worth more than a picture: `failed` gets the step."""
        try:
            yield
        except RunStoppedError:  # a second Ctrl-C
            raise
        except Exception as error:
            _log.debug("%s at step %d", type(self).__name__, step, exc_info=error)
            failed.append(step)
            if len(failed) == 1:
                rank_zero_warn(
                    f"{type(self).__name__} could not {what} step {step}, and the fit goes on: {type(error).__name__}: "
                    f"{error}. Later steps are tried again, without another warning."
                )

    def _folder(self, trainer: Trainer) -> Path:
        # not trainer.log_dir, which all ranks would have to ask for
        folders = [logger.log_dir for logger in trainer.loggers if isinstance(logger, CSVLogger)]
        return Path(folders[0] if folders else trainer.default_root_dir) / FOLDER


@contextmanager
def _looking_on(device: torch.device) -> Iterator[None]:
    """Leave no trace in the process: what is loaded inside may be trained on, and no random number is missing after."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.no_grad():
        yield
