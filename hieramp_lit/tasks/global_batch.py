"""How batches, devices and learning rate belong together in a fit; the rule itself is `optimization.accumulation`."""

from lightning.pytorch import Trainer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from hieramp_lit.optimization import accumulation, lin0, scaled_learning_rate


def accumulate_to(trainer: Trainer, global_batch: int) -> None:
    """Have the trainer accumulate so many batches that an optimizer step sees `global_batch` images.

    Call it before the training loader is made, in a task's `setup`.

    Raises:
        ValueError: If batches and devices do not divide it, or the trainer was told otherwise.
    """
    derived = accumulation(global_batch, _batch_size(trainer), trainer.world_size)
    given = trainer.accumulate_grad_batches
    if given not in (1, derived):
        raise ValueError(
            f"trainer.accumulate_grad_batches={given}, but model.global_batch={global_batch} asks for {derived} on "
            f"{trainer.world_size} device(s). Set trainer.accumulate_grad_batches: 1, or model.global_batch: null."
        )
    trainer.accumulate_grad_batches = derived


def peak_learning_rate(trainer: Trainer, base: float) -> float:
    """Peak rate of a fit whose rate for 256 images per optimizer step is `base`.

    Raises:
        ValueError: If the size of a batch is not known.
    """
    return scaled_learning_rate(base, _batch_size(trainer) * trainer.world_size * trainer.accumulate_grad_batches)


def lin0_schedule(trainer: Trainer, optimizer: Optimizer) -> LambdaLR:
    """The reference's schedule over all optimizer steps of a fit.

    Raises:
        ValueError: If their number is not known.
    """
    total = trainer.estimated_stepping_batches
    if not 0 < total < float("inf"):
        raise ValueError(
            f"The learning-rate schedule needs the number of steps, got {total}: set `trainer.max_epochs` or "
            "`trainer.max_steps`, or choose `model.lr_scheduler`."
        )
    return LambdaLR(optimizer, lambda step: lin0(step, int(total)))


def _batch_size(trainer: Trainer) -> int:
    # the data module, which Lightning sets but declares nowhere; None with loaders of the user's own
    batch_size = getattr(getattr(trainer, "datamodule", None), "batch_size", None)
    if not isinstance(batch_size, int):
        raise ValueError(
            "`model.global_batch` and the rule base_learning_rate · batch / 256 need a data module with `batch_size`; "
            "with loaders of your own set `model.global_batch: null` and `model.learning_rate`."
        )
    return batch_size
