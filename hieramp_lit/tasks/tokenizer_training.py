"""Training a small tokenizer (multi-scale VQ-VAE) from scratch or from weights.

Legend: ``B`` batch · ``L`` tokens of all scales · ``H W`` pixels.
"""

from typing import Any, ClassVar

import torch
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.nn import functional as F

from hieramp_lit.callbacks.export_weights import ExportWeights
from hieramp_lit.checkpoints import check_network, load_strictly
from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.data.pixels import to_unit_range
from hieramp_lit.metrics.codebook import CodebookUsage
from hieramp_lit.seeds import stable_seed
from hieramp_lit.tasks.precision import refuse_half_weights
from hieramp_lit.var import Scales, VQVAEArchitecture, load_vqvae

USAGE_DECAY = 0.99
"""Of the running usage statistic that rides in the state dict, as in the published training run."""


class TokenizerTraining(LightningModule):
    """Trains the VQ-VAE by L2 + `l1_weight` · L1 + quantization loss (reference §1).

    The published tokenizer was also trained with GAN and LPIPS losses, by code that was never released; small ones
    learn well without. Logs ``val/loss``, ``val/reconstruction_mse`` and ``val/reconstruction_l1`` (pixels in
    [-1, 1]), ``val/quantization_loss``, and for every scale k ``val/codebook_used/k`` (codes that occur),
    ``val/codebook_perplexity/k``. The losses of each batch are ``train/…``, the codes of an epoch ``train_epoch/…``.

    Args:
        architecture: Sizes of the tokenizer.
        patch_nums: Sides of the token maps, coarse to fine; the last one times ``2^(levels − 1)`` is the image's side.
        checkpoint: Weights to start from, a path or ``asset://…``; null starts from scratch.
        optimizer: Makes the optimizer of the parameters.
        lr_scheduler: Makes a schedule that moves every step; null keeps the rate constant.
        l1_weight: Weight of the absolute error, 0 or more.
        quantization_weight: Weight of the quantization loss, 0 or more.
        export: File for the final weights in published naming, .safetensors or .pth; null writes none.
        seed: Of the initial weights.

    Raises:
        ValueError: If a weight is negative, sizes are impossible, or the checkpoint does not fit them.
        FileNotFoundError: If there is no such checkpoint.
    """

    memory_knobs: ClassVar[tuple[str, ...]] = (
        "data.batch_size, with trainer.accumulate_grad_batches to make up for it",
        "trainer.precision: bf16-mixed",
    )

    def __init__(
        self,
        architecture: VQVAEArchitecture,
        patch_nums: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16),
        checkpoint: str | None = None,
        optimizer: OptimizerCallable = lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
        lr_scheduler: LRSchedulerCallable | None = None,
        l1_weight: float = 0.2,
        quantization_weight: float = 1.0,
        export: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if l1_weight < 0 or quantization_weight < 0:
            raise ValueError(
                f"model.l1_weight={l1_weight}, model.quantization_weight={quantization_weight}: expected 0 or more."
            )
        scales = Scales(patch_nums)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stable_seed("tokenizer", seed))
            self.vqvae = architecture.build(scales)
        if checkpoint is not None:
            given = load_vqvae(checkpoint, scales, key="model.checkpoint")
            load_strictly(
                self.vqvae,
                given.state_dict(),
                source=checkpoint,
                key="model.checkpoint",
                hint=f"The file looks like {VQVAEArchitecture.of(given.state_dict())}.",
            )
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.l1_weight = l1_weight
        self.quantization_weight = quantization_weight
        self.export = ExportWeights(export, part="vqvae") if export is not None else None
        self.train_usage = CodebookUsage(scales, architecture.vocab_size)
        self.val_usage = CodebookUsage(scales, architecture.vocab_size)

    def configure_callbacks(self) -> list[Callback]:
        """The export, if asked for."""
        return [self.export] if self.export is not None else []

    def setup(self, stage: str) -> None:
        """Refuse a precision that this task does not run in.

        Raises:
            ValueError: For weights in half precision.
        """
        refuse_half_weights(self.trainer)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the tokenizer's own checkpoints.

        Raises:
            ValueError: If the checkpoint is of another task.
        """
        check_network(checkpoint, "vqvae")

    def configure_optimizers(self) -> Any:
        """Optimizer of all parameters, with its schedule if there is one."""
        optimizer = self.optimizer(self.vqvae.parameters())
        if self.lr_scheduler is None:
            return optimizer
        schedule = {"scheduler": self.lr_scheduler(optimizer), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """Loss of a batch; also moves the usage statistic."""
        losses, tokens_BL = self._losses(batch)
        self.log_dict({f"train/{name}": value for name, value in losses.items()})
        self.train_usage.update(tokens_BL)
        hits_KV = self.train_usage.count(tokens_BL)
        self.vqvae.quantize.ema_vocab_hit_SV.mul_(USAGE_DECAY).add_(hits_KV, alpha=1 - USAGE_DECAY)
        return losses["loss"]

    def validation_step(self, batch: ImageBatch, batch_idx: int) -> None:
        """Measure a batch."""
        losses, tokens_BL = self._losses(batch)
        named = {f"val/{name}": value for name, value in losses.items()}
        self.log_dict(named, on_epoch=True, sync_dist=True, batch_size=len(batch.image))
        self.val_usage.update(tokens_BL)

    def on_train_epoch_end(self) -> None:
        """Log the codes used in this epoch."""
        self._log_usage("train_epoch", self.train_usage)

    def on_validation_epoch_end(self) -> None:
        """Log the codes used on the validation images."""
        self._log_usage("val", self.val_usage)

    def _losses(self, batch: ImageBatch) -> tuple[dict[str, Tensor], Tensor]:
        image_BCHW = to_unit_range(batch.image, self.vqvae.quantize.embedding.weight.dtype)
        output = self.vqvae(image_BCHW)
        mse = F.mse_loss(output.reconstruction.float(), image_BCHW.float())
        l1 = F.l1_loss(output.reconstruction.float(), image_BCHW.float())
        loss = mse + self.l1_weight * l1 + self.quantization_weight * output.quantization_loss
        losses = {
            "loss": loss,
            "reconstruction_mse": mse,
            "reconstruction_l1": l1,
            "quantization_loss": output.quantization_loss,
        }
        return losses, output.tokens

    def _log_usage(self, stage: str, usage: CodebookUsage) -> None:
        statistics = usage.statistics()
        named = {f"{stage}/codebook_used/{k:02d}": used.float() for k, used in enumerate(statistics.used)}
        named |= {f"{stage}/codebook_perplexity/{k:02d}": p.float() for k, p in enumerate(statistics.perplexity)}
        self.log_dict(named)
        usage.reset()
