"""Accidents on command, for fits that are started with `hieramp` in a process of their own."""

import os
import signal
import sys
from pathlib import Path

import torch
import yaml
from lightning.pytorch import Callback

from hieramp_lit.cli import main
from tests.devices.ranks import Ranks


def hieramp(*args: str) -> None:
    """The console command, exit code and all."""
    sys.argv = ["hieramp", *args]
    main()


def accident(folder: Path, name: str, save_every: int = 0, **arguments: object) -> list[str]:
    """Flags that add a callback of this module to a run, and save a checkpoint every few steps."""
    path = folder / "accident.yaml"
    callback = {"class_path": f"tests.devices.accidents.{name}", "init_args": arguments}
    saving = {"class_path": "ModelCheckpoint", "init_args": {"every_n_train_steps": save_every, "filename": "{step}"}}
    path.write_text(yaml.safe_dump({"trainer": {"callbacks+": [callback, saving] if save_every else [callback]}}))
    return ["--config", str(path)]


def hieramp_on(folder: Path, *args: str, count: int = 1, environment: dict[str, str] | None = None) -> Ranks:
    """Start the console command on some ranks, under DDP unless the arguments say otherwise."""
    sharded = any("fsdp" in word for word in args)
    devices = ["--trainer.devices", str(count)] if count > 1 else []
    strategy = ["--trainer.strategy", "ddp"] if count > 1 and not sharded else []
    return Ranks(folder, hieramp, *args, *devices, *strategy, count=count, environment=environment)


class SignalAt(Callback):
    """Sends this process a signal in the middle of the step with this number, or batch where nothing is trained.

    With a seed only the task of this seed gets it, and only the first time in this folder.
    """

    def __init__(self, signum: int, step: int, rank: int = 0, seed: int | None = None) -> None:
        self.signum, self.step, self.rank, self.seed = signum, step, rank, seed

    def on_before_zero_grad(self, trainer, task, *_):
        if self.seed is None or (task.seed == self.seed and not Path("signalled").is_file()):
            self._send(trainer, trainer.global_step)

    def on_predict_batch_start(self, trainer, module, batch, batch_idx, *_):
        self._send(trainer, batch_idx)

    def _send(self, trainer, step):
        if step == self.step and trainer.global_rank == self.rank:
            Path("signalled").touch()
            os.kill(os.getpid(), self.signum)


class SignalAtStart(Callback):
    """Sends the process of one rank a signal while its fit is being built."""

    def __init__(self, signum: int, rank: int = 0) -> None:
        self.signum, self.rank = signum, rank

    def on_fit_start(self, trainer, *_):
        if trainer.global_rank == self.rank:
            os.kill(os.getpid(), self.signum)


class RaiseAt(Callback):
    """Fails at a step, on one rank."""

    def __init__(self, step: int, message: str, rank: int = 0) -> None:
        self.step, self.message, self.rank = step, message, rank

    def on_before_zero_grad(self, trainer, *_):
        self._fail(trainer, trainer.global_step)

    def on_predict_batch_start(self, trainer, module, batch, batch_idx, *_):
        self._fail(trainer, batch_idx)

    def _fail(self, trainer, step):
        if step == self.step and trainer.global_rank == self.rank:
            if self.message == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            kind = torch.OutOfMemoryError if "memory" in self.message else OSError
            raise kind(self.message)


class Poison(Callback):
    """Makes the loss of a step, or a gradient and so a weight, infinite or not a number."""

    def __init__(self, step: int, what: str) -> None:
        self.step, self.what = step, what

    def on_train_start(self, trainer, task):
        step = task.training_step

        def poisoned(batch, batch_idx):
            loss = step(batch, batch_idx)
            return loss * float("nan") if self.what == "loss" and trainer.global_step == self.step else loss

        task.training_step = poisoned

    def on_before_optimizer_step(self, trainer, task, optimizer):
        if self.what == "weight" and trainer.global_step == self.step:
            task.var.head.weight.grad[0, 0] = float("inf")
