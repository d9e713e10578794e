"""Ctrl-C, SIGTERM and SIGUSR1 end a run at the end of a step, with everything on disk that is needed to go on."""

import os
import signal
import threading
from types import FrameType
from typing import Any

import torch
import torch.distributed
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from hieramp_lit.callbacks.run_logger import LAST
from hieramp_lit.jobs import RunStoppedError, requeue, signal_name
from hieramp_lit.trainer.checkpoint_files import checkpoint_folder

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
_AGAIN = "Nothing was done yet: run the same command again."


class CleanStop(Callback):
    """Stops a run that gets one of `SIGNALS`.

    - A fit ends after the optimizer step that runs, on all ranks after the same one, and saves ``last.ckpt`` where its
      `ModelCheckpoint` saves.
    - Generating and encoding end after the batch that runs; complete shards are on disk. So does a test.
    - What starts with a signal ends before its first step or batch.
    - SIGUSR1 in a SLURM job also puts the job back into the queue.

    A second Ctrl-C ends the run at once, and loses what came after the last checkpoint. Lightning's own handlers, which
    save in the middle of a step or talk to other ranks inside of a signal handler, are replaced while the run lasts.
    """

    def __init__(self) -> None:
        self._signum: int | None = None
        self._before: dict[int, Any] = {}
        self._trainer: Trainer | None = None
        self._steps = 0
        self._group: Any = None
        self._asked: tuple[torch.Tensor, Any] | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Remember what signals did before; take over the one that Lightning leaves to who has it."""
        self._trainer, self._signum, self._group = trainer, None, None
        if threading.current_thread() is threading.main_thread():
            self._before = {signum: signal.getsignal(signum) for signum in SIGNALS}
            signal.signal(signal.SIGUSR1, self._received)

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals over; earlier Lightning would take them back.

        Raises:
            RunStoppedError: If any rank was told to stop.
            RuntimeError: If the processes cannot reach each other over the network.
        """
        self._start(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals over, and open a channel between ranks that no device has to wait for.

        Raises:
            RunStoppedError: If any rank was told to stop.
            RuntimeError: If the processes cannot reach each other over the network.
        """
        self._steps, self._asked = trainer.global_step, None
        self._start(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals over.

        Raises:
            RunStoppedError: If this process was told to stop; not amid a fit.
        """
        if trainer.state.fn == TrainerFn.FITTING:
            self._take_over()
        else:
            self._start(trainer)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals over.

        Raises:
            RunStoppedError: If this process was told to stop.
        """
        self._start(trainer)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals over.

        Raises:
            RunStoppedError: If this process was told to stop.
        """
        self._start(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After a whole optimizer step: save and stop, if any rank was told to.

        Raises:
            RunStoppedError: Saying where the checkpoint is.
        """
        if trainer.global_step == self._steps:
            return
        self._steps = trainer.global_step
        signum = self._agreed()
        if signum:
            path = self._save(trainer)
            advice = (
                "Nothing is saved, for there is no ModelCheckpoint among trainer.callbacks."
                if path is None
                else f"Go on with the same command and --ckpt_path {path}."
            )
            self._stop(trainer, signum, advice, path)

    def on_validation_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Stop, unless it is the validation of a fit: that goes on to the next step, which saves.

        Raises:
            RunStoppedError: Nothing is to be kept.
        """
        if self._signum and trainer.state.fn != TrainerFn.FITTING:
            self._stop(trainer, self._signum, "Run the same command again.")

    def on_test_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Stop.

        Raises:
            RunStoppedError: Nothing is to be kept.
        """
        if self._signum:
            self._stop(trainer, self._signum, "Run the same command again.")

    def on_predict_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Stop; the writers keep what is complete.

        Raises:
            RunStoppedError: Saying how to go on.
        """
        if self._signum:
            self._stop(trainer, self._signum, "Complete shards are kept: run the same command again to go on.")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hear the last answer of the other ranks."""
        if self._asked is not None:
            self._asked[1].wait()
            self._asked = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the signals back."""
        self._give_back()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the signals back."""
        self._give_back()

    def _start(self, trainer: Trainer) -> None:
        """Take the signals over, and stop for one that came while Lightning had them: it only notes SIGTERM."""
        self._take_over()
        told = self._signum or (signal.SIGTERM if trainer.received_sigterm else 0)
        if trainer.state.fn == TrainerFn.FITTING and trainer.world_size > 1 and torch.distributed.is_initialized():
            self._group = self._group or _channel()
            asking = torch.tensor([told])
            torch.distributed.all_reduce(asking, torch.distributed.ReduceOp.MAX, group=self._group)
            told = int(asking.item())
        if told:
            self._stop(trainer, told, _AGAIN)

    def _take_over(self) -> None:
        for signum in self._before:
            signal.signal(signum, self._received)

    def _give_back(self) -> None:
        if self._trainer is not None:
            for signum, handler in self._before.items():
                signal.signal(signum, handler)
        self._trainer = None

    def _received(self, signum: int, frame: FrameType | None) -> None:
        trainer = self._trainer
        if trainer is None:  # the run is over; after an exception Lightning puts back what it found, and that was this
            signal.signal(signum, self._before[signum])
            signal.raise_signal(signum)
            return
        first, self._signum = self._signum is None, self._signum or signum
        if not first and signum == signal.SIGINT:
            raise RunStoppedError(
                signum, "Ended at once. What came after the last checkpoint or complete shard is lost."
            )
        if first and trainer.is_global_zero:
            hint = "; again to end at once" if signum == signal.SIGINT else ""
            os.write(2, f"\n{signal_name(signum)}: stopping at the end of this step{hint} …\n".encode())
        tell_others = getattr(trainer.strategy.launcher, "kill", None)  # those that Lightning has launched
        if first and signum != signal.SIGINT and tell_others is not None:  # a terminal sends Ctrl-C to all by itself
            tell_others(signum)

    def _agreed(self) -> int:
        """The signal that all ranks stop for, or 0; what they ask each other at a step is answered at the next one.

        Where a rank is gone, this fails at once, also where a collective on the devices would wait for it.
        """
        if self._group is None:
            return self._signum or 0
        answer = 0
        if self._asked is not None:
            heard, work = self._asked
            work.wait()
            answer = int(heard.item())
        asking = torch.tensor([self._signum or 0])
        highest = torch.distributed.ReduceOp.MAX
        self._asked = asking, torch.distributed.all_reduce(asking, highest, group=self._group, async_op=True)
        return answer

    def _save(self, trainer: Trainer) -> str | None:
        folder = checkpoint_folder(trainer)
        if folder is None:
            return None
        trainer.save_checkpoint(folder / LAST)
        return str(folder / LAST)

    def _stop(self, trainer: Trainer, signum: int, advice: str, checkpoint: str | None = None) -> None:
        if not trainer.is_global_zero:
            raise RunStoppedError(signum, "")
        step = f" after step {trainer.global_step}" if trainer.training and advice != _AGAIN else ""
        queued = requeue(checkpoint) if signum == signal.SIGUSR1 else ""
        raise RunStoppedError(signum, f"{signal_name(signum)}: stopped{step}. {advice}", checkpoint, queued)


def _channel() -> Any:
    try:
        return torch.distributed.new_group(backend="gloo")
    except RuntimeError as error:
        raise RuntimeError(
            "The processes of this run cannot reach each other to agree on when to stop. Set GLOO_SOCKET_IFNAME to the "
            f"network interface that the nodes share (`ip addr` lists them). {str(error).partition(chr(10))[0]}"
        ) from error
