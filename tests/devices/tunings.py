"""A small fit whose steps do not depend on how their images are split, in whichever process it is called."""

from typing import NamedTuple

from lightning.pytorch import Callback
from torch import Tensor

from hieramp_lit.var import Tokenizer
from tests.tasks.tuning import NoiseDataModule, architecture, trainer, tuning, weights

GLOBAL_BATCH = 8


class Fit(NamedTuple):
    """What a fit came to."""

    weights: dict[str, Tensor]
    losses: list[dict[str, float]]
    rates: list[float]
    accumulated: int


class EpochLosses(Callback):
    """The means of each epoch, over all ranks."""

    def __init__(self) -> None:
        self.losses: list[dict[str, float]] = []
        self.rates: list[float] = []

    def on_train_batch_end(self, trainer, *_):
        if len(self.rates) < trainer.global_step:
            self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_epoch_end(self, trainer, *_):
        self.losses.append({k: v.item() for k, v in trainer.callback_metrics.items() if k.startswith("train_epoch/")})


def fit(tokenizer: Tokenizer, batch_size: int, devices: int = 1, strategy: object = "auto", **changes: object) -> Fit:
    """Two epochs of 22 images, eight a step: two whole steps each."""
    defaults = {"label_dropout": 0.5, "learning_rate": None, "base_learning_rate": 0.32, "global_batch": GLOBAL_BATCH}
    var = architecture(drop_path_rate=changes.pop("drop_path_rate", 0.0))
    task = tuning(tokenizer, **{**defaults, "var": var, **changes})
    seen = EpochLosses()
    run = trainer(seen, max_epochs=2, devices=devices, strategy=strategy, gradient_clip_val=2.0)
    run.fit(task, NoiseDataModule(batch_size))
    return Fit(weights(task), seen.losses, seen.rates, run.accumulate_grad_batches)


def fits(tokenizer: Tokenizer) -> tuple[Fit, Fit]:
    """On two ranks: without drop-path, and with it."""
    plain = fit(tokenizer, 2, devices=2, strategy="ddp")
    return plain, fit(tokenizer, 4, devices=2, strategy="ddp", drop_path_rate=0.4)
