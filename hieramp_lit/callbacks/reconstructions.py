"""While a tokenizer is trained: images, and below them what its tokens keep of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from hieramp_lit.callbacks.sample_sheets import Picture, SampleSheets
from hieramp_lit.data.loading import SampleKey
from hieramp_lit.data.module import ImageDataModule
from hieramp_lit.data.pixels import to_unit_range
from hieramp_lit.generate.var import to_uint8
from hieramp_lit.shards.contact_sheet import draw_grid
from hieramp_lit.var.half import vqvae_in

if TYPE_CHECKING:
    from hieramp_lit.tasks.tokenizer_training import TokenizerTraining

CELL = 96


class Reconstructions(SampleSheets):
    """Sheets of validation images above their reconstructions while `TokenizerTraining` runs, see `SampleSheets`.

    ``step-000600.png``: the same images at every step, encoded and decoded in float32 by the weights as they are.

    Args:
        images: How many, evenly spaced among the validation images; at least 1.
        every_n_steps: Optimizer steps between sheets; null draws one at every validation. One comes at the end anyway.
            0 draws none at all.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(self, images: int = 8, every_n_steps: int | None = None) -> None:
        super().__init__(every_n_steps)
        if images < 1:
            raise ValueError(f"Reconstructions.images={images}: expected 1 or more.")
        self.images = images
        self._pixels: Tensor | None = None

    def check(self, trainer: Trainer, pl_module: LightningModule) -> str | None:
        """Why there can be no sheets: images that are no data module's.

        Raises:
            ValueError: If the task is another.
        """
        _as_task(pl_module)
        self._pixels = None
        if isinstance(getattr(trainer, "datamodule", None), ImageDataModule):
            return None
        return "the images come from loaders of your own. Give an ImageDataModule."

    def pictures(self, trainer: Trainer, pl_module: LightningModule) -> list[Picture]:
        """The sheet of the weights as they are now."""
        task = _as_task(pl_module)
        image_BCHW = self._chosen(trainer)
        vqvae = vqvae_in(task.vqvae, torch.float32).eval()  # a tree of its own: the task's modules keep their mode
        made = vqvae.decode(vqvae.encode(to_unit_range(image_BCHW.to(task.device))))
        given, back = image_BCHW.permute(0, 2, 3, 1).numpy(), to_uint8(made).cpu().numpy()
        sheet = draw_grid(
            {f"step {trainer.global_step}": [list(given), list(back)]}, ["image", "reconstruction"], cell=CELL
        )
        return [Picture("step", "reconstructions", sheet)]

    def _chosen(self, trainer: Trainer) -> Tensor:
        """The same images at every step, uint8 on the CPU, shape ``(B, 3, H, W)``; read once."""
        if self._pixels is None:
            samples = getattr(trainer, "datamodule").val_samples()  # noqa: B009 (Lightning declares it nowhere)
            count = min(self.images, len(samples))
            batch = samples[[SampleKey(0, place * len(samples) // count) for place in range(count)]]
            self._pixels = batch.image.cpu()
        return self._pixels


def _as_task(module: LightningModule) -> TokenizerTraining:
    from hieramp_lit.tasks.tokenizer_training import TokenizerTraining  # tasks import callbacks: a circle else

    if not isinstance(module, TokenizerTraining):
        raise ValueError(
            f"trainer.callbacks: Reconstructions belongs to the task TokenizerTraining, this one is "
            f"{type(module).__name__}. Leave it out."
        )
    return module
