"""Accidents on command, for fits that are started with `hieramp` in a process of their own."""

import os
import signal
import sys

import torch
from lightning.pytorch import Callback

from hieramp_lit.cli import main


def hieramp(*args: str) -> None:
    """The console command, exit code and all."""
    sys.argv = ["hieramp", *args]
    main()


class SignalAt(Callback):
    """Sends this process a signal in the middle of the step with this number, or batch where nothing is trained."""

    def __init__(self, signum: int, step: int, rank: int = 0) -> None:
        self.signum, self.step, self.rank = signum, step, rank

    def on_before_zero_grad(self, trainer, *_):
        self._send(trainer, trainer.global_step)

    def on_predict_batch_start(self, trainer, module, batch, batch_idx, *_):
        self._send(trainer, batch_idx)

    def _send(self, trainer, step):
        if step == self.step and trainer.global_rank == self.rank:
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
    """Makes a weight, or the loss of a step, infinite."""

    def __init__(self, step: int, what: str) -> None:
        self.step, self.what = step, what

    def on_train_start(self, trainer, task):
        step = task.training_step

        def poisoned(batch, batch_idx):
            loss = step(batch, batch_idx)
            return loss * float("nan") if self.what == "loss" and trainer.global_step == self.step else loss

        task.training_step = poisoned

    def on_before_zero_grad(self, trainer, task, optimizer):
        if self.what == "weight" and trainer.global_step == self.step:
            with torch.no_grad():
                task.var.head.weight[0, 0] = float("inf")
