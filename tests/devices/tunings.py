"""A small fit whose steps do not depend on how their images are split, in whichever process it is called."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor
from torch.distributed.tensor import DTensor

from hieramp_lit.callbacks import TuningSamples
from hieramp_lit.tasks import ClassTokenTuning
from hieramp_lit.trainer import ShardedStrategy
from hieramp_lit.var import Tokenizer
from tests.tasks.tuning import NoiseDataModule, architecture, trainer, tuning, weights

GLOBAL_BATCH = 8
EXPORTED = "exported.safetensors"


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

    def on_train_start(self, trainer, *_):
        self._steps = trainer.global_step

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step > self._steps:
            self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        self._steps = trainer.global_step

    def on_train_epoch_start(self, trainer, *_):
        if trainer.current_epoch > 0:
            self.on_train_end(trainer)

    def on_train_end(self, trainer, *_):  # the task logs an epoch after callbacks have heard of its end
        self.losses.append({k: v.item() for k, v in trainer.callback_metrics.items() if k.startswith("train_epoch/")})


def fit(
    tokenizer: Tokenizer,
    batch_size: int,
    devices: int = 1,
    strategy: object = "auto",
    callbacks: Sequence[Callback] = (),
    resume: Path | None = None,
    **changes: object,
) -> Fit:
    """Two epochs of 22 images, eight a step: two whole steps each."""
    defaults = {"label_dropout": 0.5, "learning_rate": None, "base_learning_rate": 0.32, "global_batch": GLOBAL_BATCH}
    var = architecture(drop_path_rate=changes.pop("drop_path_rate", 0.0))
    task = tuning(tokenizer, **{**defaults, "var": var, **changes})
    seen = EpochLosses()
    run = trainer(seen, *callbacks, max_epochs=2, devices=devices, strategy=strategy, gradient_clip_val=2.0)
    run.fit(task, NoiseDataModule(batch_size), ckpt_path=resume)
    return Fit(_whole(task), seen.losses, seen.rates, run.accumulate_grad_batches)


def _whole(task: ClassTokenTuning) -> dict[str, Tensor]:
    state = weights(task)
    return {name: value.full_tensor() if isinstance(value, DTensor) else value for name, value in state.items()}


def fits(tokenizer: Tokenizer) -> tuple[Fit, Fit]:
    """On two ranks: without drop-path, and with it, while the first rank draws pictures; and a test of the former."""
    plain = fit(tokenizer, 2, devices=2, strategy="ddp", export=EXPORTED)
    drawing = [TuningSamples(rows=[1], every_n_steps=3)]
    dropping = fit(tokenizer, 4, devices=2, strategy="ddp", drop_path_rate=0.4, callbacks=drawing)
    run_test(tokenizer, Path(EXPORTED), 2, devices=2, strategy="ddp")
    return plain, dropping


def run_test(tokenizer: Tokenizer, exported: Path, batch_size: int, **run: object) -> None:
    """Test class tokens on seven images; the results lie in the current folder."""
    task = tuning(tokenizer, checkpoint=str(exported))
    trainer(**run).test(task, NoiseDataModule(batch_size), verbose=False)


def sharded_fits(tokenizer: Tokenizer, folder: Path) -> dict[str, Fit]:
    """On two ranks: a whole fit with a checkpoint after each step, and what follows its third."""
    storing = ModelCheckpoint(folder, every_n_train_steps=1, save_top_k=-1, filename="{step}", save_last=True)
    export = str(folder / "export.safetensors")
    callbacks = [storing, TuningSamples(every_n_steps=1)]
    whole = fit(tokenizer, 2, strategy=ShardedStrategy(), callbacks=callbacks, devices=2, export=export)
    resumed = fit(tokenizer, 2, strategy=ShardedStrategy(), resume=folder / "step=3.ckpt", devices=2)
    return {"whole": whole, "resumed": resumed}


def sharded_on_one(tokenizer: Tokenizer, resume: Path) -> Fit:
    """On one rank what follows a checkpoint of two; and what a checkpoint that is a file is answered."""
    (resume.parent / "file.ckpt").touch()
    with pytest.raises(ValueError, match=r"file\.ckpt is a file.*without the overlay.*model\.checkpoint"):
        fit(tokenizer, 4, strategy=ShardedStrategy(), resume=resume.parent / "file.ckpt")
    return fit(tokenizer, 4, strategy=ShardedStrategy(), resume=resume)
