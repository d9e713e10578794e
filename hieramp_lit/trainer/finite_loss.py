"""A fit ends when its loss is not finite, and no checkpoint holds the damage."""

from collections import deque
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.distributed.tensor import DTensor

from hieramp_lit.jobs import NonFiniteError
from hieramp_lit.trainer.checkpoint_files import newest_checkpoint

_MOST_SAMPLES = 16


class _Loss(NamedTuple):
    value: Tensor  # on the host, or on its way there
    arrived: Any  # an event of the device; None if it is there
    where: str


class FiniteLoss(Callback):
    """Looks at the loss of every training batch, without making the host wait for the device.

    On a GPU a loss is looked at when it has arrived, a batch or two later. Before a checkpoint is written all losses
    are waited for, and the weights are looked at too: a gradient can be infinite where the loss was not.
    """

    def __init__(self) -> None:
        self._losses: deque[_Loss] = deque()
        self._steps = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget an earlier run."""
        self._losses.clear()
        self._steps = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take the loss of a batch.

        Raises:
            NonFiniteError: If that loss, or one before it, is not finite.
        """
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        # Steps count from 1: amid an accumulation the step that this batch belongs to is still to come.
        step = trainer.global_step + (trainer.global_step == self._steps)
        self._steps = trainer.global_step
        if isinstance(loss, Tensor):
            rank = f", rank {trainer.global_rank}" if trainer.world_size > 1 else ""
            where = f"at step {step} (epoch {trainer.current_epoch}, batch {batch_idx}{rank})"
            self._losses.append(_sent(loss.detach(), where))
        self._refuse(trainer, self._first_bad(trainer, wait=False))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the last losses, before weights are exported.

        Raises:
            NonFiniteError: If one is not finite, or a weight.
        """
        self._check_all(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep damaged weights out of checkpoints.

        Raises:
            NonFiniteError: If a loss so far, or a weight, is not finite.
        """
        if trainer.state.fn == TrainerFn.FITTING:
            self._check_all(trainer, pl_module)

    def _check_all(self, trainer: Trainer, pl_module: LightningModule) -> None:
        found = self._first_bad(trainer, wait=True)
        if found is None and not _weights_are_finite(pl_module):
            found = f"A weight is not finite after step {trainer.global_step}, though the losses were"
        sound = found is None
        if trainer.world_size > 1:
            sound = trainer.strategy.reduce_boolean_decision(sound, all=True)
        if not sound:
            self._refuse(trainer, found or "Another process found a loss or weight that is not finite")

    def _first_bad(self, trainer: Trainer, *, wait: bool) -> str | None:
        while self._losses and (wait or self._losses[0].arrived is None or self._losses[0].arrived.query()):
            loss = self._losses.popleft()
            if loss.arrived is not None:
                loss.arrived.synchronize()
            value = float(loss.value)
            if value - value != 0:  # infinite or not a number
                return f"The training loss is {value} {loss.where}{'' if self._losses else _samples(trainer)}"
        return None

    def _refuse(self, trainer: Trainer, found: str | None) -> None:
        if found is None:
            return
        good = newest_checkpoint(trainer)
        kept = (
            f"The last good checkpoint is {good}: go on from there with --ckpt_path"
            if good is not None
            else "There is no checkpoint yet: start again"
        )
        raise NonFiniteError(
            f"{found}. Nothing was saved since. {kept}, with a lower learning rate, `trainer.gradient_clip_val`, or "
            "`trainer.precision: 32-true`; `trainer.detect_anomaly: true` names the operation."
        )


def _sent(loss: Tensor, where: str) -> _Loss:
    if loss.device.type != "cuda":
        return _Loss(loss.clone(), None, where)
    value = torch.empty((), dtype=loss.dtype, pin_memory=True)
    value.copy_(loss, non_blocking=True)
    arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
    arrived.record()
    return _Loss(value, arrived, where)


def _samples(trainer: Trainer) -> str:
    """The samples of the latest batch, where the loader knows them."""
    asked = getattr(trainer.train_dataloader, "last_samples", None)
    samples = asked() if asked is not None else []
    if not samples:
        return ""
    more = f" and {len(samples) - _MOST_SAMPLES} more" if len(samples) > _MOST_SAMPLES else ""
    return f", samples {', '.join(map(str, samples[:_MOST_SAMPLES]))}{more}"


def _weights_are_finite(module: LightningModule) -> bool:
    trained = [parameter.detach() for parameter in module.parameters() if parameter.requires_grad]
    local = [value.to_local() if isinstance(value, DTensor) else value for value in trained]
    flags = [torch.isfinite(value).all() for value in local]
    return not flags or bool(torch.stack(flags).all())
