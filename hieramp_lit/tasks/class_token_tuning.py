"""Tuning VAR: class tokens onto trained weights, everything from scratch, or plain VAR.

Legend: ``B`` batch · ``L`` tokens of all scales · ``l₀`` tokens of the first scale · ``c`` latent channels.
"""

import math
from typing import Any, ClassVar, Literal

import torch
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.cli import LRSchedulerCallable
from lightning.pytorch.plugins.precision import MixedPrecision
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from hieramp_lit.callbacks.class_token_results import ClassTokenResults
from hieramp_lit.callbacks.export_weights import ExportWeights
from hieramp_lit.checkpoints import CODES, STARTED_FROM, TOKENIZER, check_network, resolve, weights_sha256
from hieramp_lit.data.batches import ImageBatch, TokenBatch
from hieramp_lit.data.module import SampledDataModule
from hieramp_lit.data.tokens.token_data import TokenDataModule
from hieramp_lit.losses.token_cross_entropy import class_token_cross_entropy, token_cross_entropy
from hieramp_lit.metrics.tuning import TuningMetrics
from hieramp_lit.optimization import adamw, weight_decay_groups
from hieramp_lit.seeds import stream
from hieramp_lit.tasks.frozen_tokenizer import FrozenTokenizer
from hieramp_lit.tasks.global_batch import accumulate_to, lin0_schedule, peak_learning_rate
from hieramp_lit.tasks.precision import refuse_half_weights
from hieramp_lit.tasks.tokenizer_of import warn_of_another_tokenizer
from hieramp_lit.tasks.tuned_classes import check_rows
from hieramp_lit.transfer import sent
from hieramp_lit.var import KnownClasses, LabelRows, Tokenizer, VARArchitecture, check_pair, known_classes, load_into
from hieramp_lit.var.sharding import shard


class ClassTokenTuning(LightningModule):
    """Trains VAR on the tokens of a frozen tokenizer; with class tokens, also to tell the class at every scale.

    Batches are images, which the tokenizer encodes, or the cached tokens of a `TokenDataModule`: then of the tokenizer
    only codebook and φ convolutions are loaded, and the losses are the same.

    Loss: mean cross-entropy of the tokens, plus `cls_weight` times that of the class tokens, averaged over the scales,
    always against the true label (HIERAMP, Sec. 3.3; reference §2 and §3). Plain VAR is ``var.class_tokens: false``.

    Logs for each training batch ``train/loss``, ``train/token_loss``, ``train/class_loss``; for each epoch
    (``train_epoch/…``) and for validation (``val/…``) ``token_loss``, ``token_accuracy``, ``class_loss`` and
    ``class_accuracy``: overall, per scale (``val/token_loss/03``) and for tokens of the finest scale (``…/last``). The
    label reaches every block as condition, so that ``val/class_accuracy`` is near 1 and says nothing:
    ``val/class_accuracy_unconditional/03`` is measured without it, and shows what a scale's class token has seen.
    ``test`` measures the same (``test/…``) of tuned weights and writes it down, see `ClassTokenResults`.

    Weight decay acts on matrices only, see `VAR.no_weight_decay`. Gradient clipping (2.0 in the reference) and
    precision are the trainer's.

    With the same `global_batch`, several devices, or smaller batches accumulated, make the same steps as one device:
    the images' order, label dropout and drop-path do not know how batches are split. What is left is rounding.

    Args:
        tokenizer: The frozen tokenizer.
        var: Sizes of the model. They must be those of `checkpoint`, which may lack class tokens and class head.
        checkpoint: Weights to start from: a published .pth, a .safetensors, a .ckpt of this task, ``hf://…``, ``asset://…``;
            null starts from scratch.
        label_rows: Rows of the label embedding: `keep` takes over those of `checkpoint`, and those of classes beyond
            them start from their mean; `new` starts every class from the mean, for classes that the checkpoint does not
            know. "Unconditional" is taken over and stays the last row; a class head is treated alike. A fit refuses to
            put a class on a kept row of another one, as far as the file tells its classes, see `known_classes`.
        trainable: `all`, or `class_tokens` to train class tokens and class head alone.
        cls_weight: Weight of the class tokens' loss, 0 or more.
        label_dropout: Share of training images whose label is replaced by "unconditional", 0 to below 1.
        base_learning_rate: Peak rate for 256 images per optimizer step; it is multiplied by (images per step) / 256.
        learning_rate: Peak rate as it is; null takes the rule of `base_learning_rate`.
        betas: Of AdamW.
        weight_decay: Of AdamW, 0 or more.
        lr_scheduler: Makes a schedule that moves every optimizer step; null is the reference's `lin0`: warm-up over the
            first fiftieth, a twentieth of the rest at the peak, then in a straight line to a tenth.
        global_batch: Images per optimizer step. The trainer's accumulation follows from it, `data.batch_size` and the
            number of devices, see `optimization.accumulation`. Null leaves ``trainer.accumulate_grad_batches``.
        checkpointing: Compute each block again in the backward pass instead of keeping what is inside: much less memory
            for about a third more work, and the same gradients.
        compile: `default` compiles the blocks with torch.compile: minutes at the first steps, faster ones after; names
            in checkpoints stay as they are.
        export: File for the final weights of VAR in published naming, .safetensors or .pth; null writes none.
        seed: Of the initial weights, label dropout and drop-path.

    Raises:
        ValueError: If a number is out of range, there is nothing to train, tokenizer and VAR do not belong together, or
            the checkpoint does not fit the sizes; then it says what the file looks like.
        FileNotFoundError: If there is no such file.
    """

    memory_knobs: ClassVar[tuple[str, ...]] = (
        "data.batch_size; with model.global_batch the steps stay the same",
        "model.checkpointing: true",
        "trainer.precision: bf16-mixed",
        "on several GPUs, configs/overlays/fsdp.yaml, which shares the network out",
    )

    def __init__(
        self,
        tokenizer: Tokenizer,
        var: VARArchitecture,
        checkpoint: str | None = None,
        label_rows: LabelRows = "keep",
        trainable: Literal["all", "class_tokens"] = "all",
        cls_weight: float = 1.0,
        label_dropout: float = 0.1,
        base_learning_rate: float = 1e-4,
        learning_rate: float | None = None,
        betas: tuple[float, float] = (0.9, 0.95),
        weight_decay: float = 0.05,
        lr_scheduler: LRSchedulerCallable | None = None,
        global_batch: int | None = None,
        checkpointing: bool = False,
        compile: Literal["none", "default"] = "none",
        export: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        rate = base_learning_rate if learning_rate is None else learning_rate
        for name, value, valid, expected in (
            ("cls_weight", cls_weight, 0 <= cls_weight < math.inf, "0 (off) or more"),
            ("label_dropout", label_dropout, 0 <= label_dropout < 1, "0 (off) or more, below 1"),
            ("weight_decay", weight_decay, 0 <= weight_decay < math.inf, "0 (off) or more"),
            ("betas", betas, all(0 <= beta < 1 for beta in betas), "two numbers of 0 or more, below 1"),
            ("base_learning_rate" if learning_rate is None else "learning_rate", rate, 0 < rate < math.inf, "above 0"),
        ):
            if not valid:
                raise ValueError(f"model.{name}={value}: expected {expected}.")
        if trainable not in ("all", "class_tokens"):
            raise ValueError(f"model.trainable={trainable!r}: expected 'all' or 'class_tokens'.")
        if compile not in ("none", "default"):
            raise ValueError(f"model.compile={compile!r}: expected 'none' or 'default'.")
        if trainable == "class_tokens" and not var.class_tokens:
            raise ValueError("model.trainable='class_tokens' needs `model.var.class_tokens: true`; plain VAR has none.")
        self.var = var.build()
        self.var.init_weights(stream("var", seed), var.adaln_gamma)
        fresh = ["everything"]
        if checkpoint is not None:
            fresh = load_into(self.var, checkpoint, key="model.checkpoint", label_rows=label_rows)
            if trainable == "class_tokens" and any(name.startswith("class_emb.") for name in fresh):
                raise ValueError(
                    f"model.trainable='class_tokens' would leave new label rows at their mean, all alike: {fresh[-1]}. "
                    "Give trainable: all, or the checkpoint's classes."
                )
            rank_zero_info(f"Weights from {checkpoint}; new: {', '.join(fresh) or 'none'}.")
        if trainable == "class_tokens":
            self.var.requires_grad_(False).eval()  # eval: no drop-path in a backbone that does not learn
            for _, parameter in self.var.class_token_parameters():
                parameter.requires_grad_(True)
        if compile == "default":
            for block in self.var.blocks:
                block.compile()
        self.tokenizer = FrozenTokenizer(tokenizer, self.var.scales)
        check_pair(self.tokenizer.quantizer, self.var)
        if checkpoint is not None:
            warn_of_another_tokenizer(checkpoint, self.tokenizer.sha256, self.tokenizer.quantizer)
        self.cls_weight = cls_weight
        self.label_dropout = label_dropout
        self.base_learning_rate = base_learning_rate
        self.learning_rate = learning_rate
        self.betas = betas
        self.weight_decay = weight_decay
        self.lr_scheduler = lr_scheduler
        self.checkpointing = checkpointing
        self.known_classes = KnownClasses()
        made_with = {TOKENIZER: self.tokenizer.sha256, CODES: self.tokenizer.quantizer.fingerprint()}
        if checkpoint is not None:
            made_with[STARTED_FROM] = weights_sha256(resolve(checkpoint, key="model.checkpoint"))
            if label_rows == "keep":
                self.known_classes = known_classes(checkpoint, key="model.checkpoint")
        self.made_with = made_with
        self.export = ExportWeights(export, part="var", metadata=made_with) if export is not None else None
        self.results = ClassTokenResults(checkpoint, fresh)
        self.seed = seed
        self.global_batch = global_batch
        self.images_seen = 0
        self._world_size = 1
        self._fed_by: object = None
        self.train_metrics = TuningMetrics(self.var.scales)
        self.val_metrics = TuningMetrics(self.var.scales)
        self.test_metrics = TuningMetrics(self.var.scales)
        self.tested_images = 0

    def configure_callbacks(self) -> list[Callback]:
        """What ``test`` writes, and the export, if asked for."""
        return [self.results, *([self.export] if self.export is not None else [])]

    def setup(self, stage: str) -> None:
        """Refuse what cannot be run, and load the encoder unless tokens come from a cache.

        Raises:
            ValueError: For weights in half precision, classes that their rows cannot take, a cache that another
                tokenizer made, or a global batch that batches and devices do not divide.
        """
        refuse_half_weights(self.trainer)
        self._fed_by = self._data()
        self._world_size = self.trainer.world_size
        self.made_with.update(check_rows(self._fed_by, self.known_classes, self.var.num_classes))
        if stage == "fit" and self.global_batch is not None:
            accumulate_to(self.trainer, self.global_batch)
        if isinstance(self._fed_by, TokenDataModule):
            self.tokenizer.check_cache(self._fed_by.cache)
        else:
            self.tokenizer.load_encoder()

    def configure_model(self) -> None:
        """Share the network out over the devices, where the trainer's strategy is `ShardedStrategy`."""
        if self.device_mesh is not None:
            shard(self.var, self.device_mesh["data_parallel"])

    def configure_optimizers(self) -> Any:
        """AdamW with weight decay on matrices only, and the schedule.

        Raises:
            ValueError: If the peak rate or the number of steps cannot be known.
        """
        groups = weight_decay_groups(self.var.named_parameters(), self.var.no_weight_decay(), self.weight_decay)
        scaled = self.trainer.precision == "16-mixed"  # whose gradients must be scaled back before they are clipped
        rate = self.learning_rate or peak_learning_rate(self.trainer, self.base_learning_rate)
        optimizer = adamw(groups, rate, self.betas, fused=not scaled)
        factory = self.lr_scheduler
        scheduler = lin0_schedule(self.trainer, optimizer) if factory is None else factory(optimizer)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip as the trainer says, a fused optimizer's gradients too.

        Lightning refuses that under every mixed precision; in bfloat16 no gradient is scaled, and there is no reason.
        """
        plugin = self.trainer.precision_plugin
        if not gradient_clip_val or not isinstance(plugin, MixedPrecision) or plugin.scaler is not None:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        elif gradient_clip_algorithm == "value":
            plugin.clip_grad_by_value(optimizer, gradient_clip_val)
        else:
            plugin.clip_grad_by_norm(optimizer, gradient_clip_val)

    def losses(self, batch: ImageBatch | TokenBatch) -> dict[str, Tensor]:
        """Losses of a training batch: tokens and transformer input, then `transformer_losses`."""
        tokens_BL = self._tokens(batch)
        return self.transformer_losses(tokens_BL, self.tokenizer.teacher_input(tokens_BL), batch.label)

    def transformer_losses(self, tokens_BL: Tensor, teacher_input_BLc: Tensor, label_B: Tensor) -> dict[str, Tensor]:
        """Losses under labels of which some are dropped; moves the random streams and feeds the metrics.

        Args:
            tokens_BL: True tokens, int64.
            teacher_input_BLc: Their `FrozenTokenizer.teacher_input`.
            label_B: Class rows, int64.

        Returns:
            ``loss``, what is to be minimized, and its parts ``token_loss`` and, with class tokens, ``class_loss``.
        """
        draws_BN = self._draws(len(label_B))
        dropped_B = sent(draws_BN[:, 0] < self.label_dropout, label_B.device)
        condition_B = label_B.masked_fill(dropped_B, self.var.num_classes)
        draws_D2B = draws_BN[:, 1:].T.reshape(self.var.depth, 2, len(label_B))
        output = self.var(condition_B, teacher_input_BLc, draws_D2B, self.checkpointing)

        loss_BL = token_cross_entropy(output.token_logits, tokens_BL)
        self.train_metrics.update_tokens(loss_BL, output.token_logits, tokens_BL)
        losses = {"loss": loss_BL.mean(), "token_loss": loss_BL.mean()}
        if output.class_logits is not None:
            losses["class_loss"] = class_token_cross_entropy(output.class_logits, label_B).mean()
            losses["loss"] = losses["token_loss"] + self.cls_weight * losses["class_loss"]
            self.train_metrics.update_classes(output.class_logits, label_B)
        return losses

    def training_step(self, batch: ImageBatch | TokenBatch, batch_idx: int) -> Tensor:
        """Loss of a batch. It is not shown in the progress bar, which would wait for the device at every step."""
        losses = self.losses(batch)
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()})
        return losses["loss"]

    def validation_step(self, batch: ImageBatch | TokenBatch, batch_idx: int) -> None:
        """Measure a batch under its labels and, with class tokens, under the unconditional row."""
        self._measure(batch, self.val_metrics)

    def test_step(self, batch: ImageBatch | TokenBatch, batch_idx: int) -> None:
        """Measure a batch as `validation_step` does."""
        self._measure(batch, self.test_metrics)

    def on_train_epoch_end(self) -> None:
        """Log the epoch's means."""
        self.log_dict(self.train_metrics.pop("train_epoch"))

    def on_validation_epoch_end(self) -> None:
        """Log the means over all validation images."""
        self.log_dict(self.val_metrics.pop("val"))

    def on_test_epoch_end(self) -> None:
        """Log the means over all test images, and keep their number."""
        self.tested_images = self.test_metrics.images()
        self.log_dict(self.test_metrics.pop("test"))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the place in the random streams, tokenizer and classes, and which weights it started from."""
        checkpoint["images_seen"] = self.images_seen
        checkpoint.update(self.made_with)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on at the place of the checkpoint.

        Raises:
            ValueError: If the checkpoint is of another task, or was trained on the tokens of another tokenizer.
        """
        if "state_dict" in checkpoint:  # a sharded one has been loaded by now
            check_network(checkpoint, "var")
        theirs = checkpoint.get(TOKENIZER)
        if theirs != self.tokenizer.sha256:
            raise ValueError(
                f"model.tokenizer.checkpoint has SHA-256 {self.tokenizer.sha256}, the checkpoint to resume was trained "
                f"on the tokens of {theirs}. Give that tokenizer, or start from the weights with `model.checkpoint`."
            )
        self.images_seen = int(checkpoint["images_seen"])
        if isinstance(self._fed_by, SampledDataModule):
            self._fed_by.take_over_place(checkpoint)

    def _draws(self, batch: int) -> Tensor:
        """Uniform numbers of each image of a training batch: one for its label, two a block for its path.

        They belong to the image's place in the stream of all training images, which is the same for every number of
        ranks and batches a step: `TrainLoader` deals a global batch to the ranks in order.
        """
        first = self.images_seen + self.global_rank * batch
        self.images_seen += batch * self._world_size
        count = 1 + 2 * self.var.depth
        places = range(first, first + batch)
        return torch.stack([torch.rand(count, generator=stream("dropout", self.seed, place)) for place in places])

    def _measure(self, batch: ImageBatch | TokenBatch, metrics: TuningMetrics) -> None:
        tokens_BL = self._tokens(batch)
        metrics.measure(self.var, tokens_BL, self.tokenizer.teacher_input(tokens_BL), batch.label)

    def _tokens(self, batch: ImageBatch | TokenBatch) -> Tensor:
        return batch.tokens if isinstance(batch, TokenBatch) else self.tokenizer.encode(batch.image)

    def _data(self) -> object:
        """The run's data module, which Lightning sets but declares nowhere; None with loaders of the user's own."""
        return getattr(self.trainer, "datamodule", None)
