"""Training a student on a distilled set: a teacher labels every augmented image anew (RDED, arXiv:2312.03526)."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from hieramp_lit.callbacks.student_results import StudentResults
from hieramp_lit.checkpoints import load_strictly, read_tensors, resolve
from hieramp_lit.data.augment import Augmentation
from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.data.mix import Mix, Mixed, mix_images
from hieramp_lit.losses.soft_labels import hard_label_loss, soft_label_loss
from hieramp_lit.metrics.accuracy import Accuracies, ClassAccuracy, Evaluation
from hieramp_lit.seeds import stable_seed, stream
from hieramp_lit.students import protocol
from hieramp_lit.students.create import create_student
from hieramp_lit.students.norm import Norm
from hieramp_lit.students.teacher import PREFIXES, Teacher
from hieramp_lit.tasks.student_checks import asked_of_data, refuse_random_weights, refuse_rows, warn_near_chance

_log = logging.getLogger(__name__)

RDED_AUGMENTATION = Augmentation()
_PROGRESS = "relabel_training"


class RelabelTraining(LightningModule):
    """Trains a classifier on soft labels of a teacher, or on hard labels without one; the defaults are RDED's.

    Batches come as `ImageBatch`; cropping, flipping and mixing happen here, on the device, under one random stream per
    (seed, batch). Each fit writes a ``result.json``; `test` evaluates `checkpoint`.

    Args:
        student: Network to train, by any name that `create_student` takes.
        teacher: Network that labels the images. Null: hard labels, which is also how teachers are trained.
        checkpoint: The student's weights to start from, or to evaluate in `test` and `validate`: a Lightning checkpoint
            of ours, safetensors or a plain state dict. Null: random.
        num_classes: Rows of the student's last layer. Null: what the data has.
        image_size: Side of the student's input in pixels. Null: what the data has.
        norm: The student's normalization, ``batch`` or ``instance``. Null: the network's own.
        temperature: Softening of both softmaxes. Null: 20, with MixUp 4.
        augmentation: Random resized crop and flip.
        mix: ``cutmix``, ``mixup`` or ``none``; one draw a batch. With hard labels the labels are mixed too.
        mix_alpha: λ ~ Beta(mix_alpha, mix_alpha). Null: 1, with MixUp 0.8.
        mean: Channel means for normalizing images in [0, 1].
        std: Channel deviations likewise.
        lr: AdamW's initial learning rate. Null: the protocol's for this student (0.001 for ResNets and ConvNets).
        weight_decay: On tensors named ``weight`` with more than one dimension; none on the rest.
        betas: AdamW's β₁ and β₂.
        schedule: Learning rate by epoch: ``half_cosine`` (RDED; ends at one half), ``cosine`` or ``constant``.
        update_batch_norm_twice: Also run the student in train mode, without gradient, before each step, as a side
            effect of the published loop does: its batch-norm statistics then move twice a step.
        best_from: Share of training after which an evaluation may be the best; RDED looks at the last fifth.
        seed: The student's seed: initial weights, augmentation and dropout.
        output: Where to write the result. Null: ``result.json`` in the logger's folder.
        export: Where to write the trained student's weights as safetensors. Null: nowhere.

    Raises:
        ValueError: For settings that cannot be.
    """

    student: nn.Module
    teacher_network: nn.Module | None

    def __init__(
        self,
        student: str = "resnet18",
        teacher: Teacher | None = None,
        checkpoint: str | None = None,
        num_classes: int | None = None,
        image_size: int | None = None,
        norm: Norm | None = None,
        temperature: float | None = None,
        augmentation: Augmentation = RDED_AUGMENTATION,
        mix: Mix = "cutmix",
        mix_alpha: float | None = None,
        mean: tuple[float, float, float] = protocol.IMAGENET_MEAN,
        std: tuple[float, float, float] = protocol.IMAGENET_STD,
        lr: float | None = None,
        weight_decay: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.999),
        schedule: protocol.Schedule = "half_cosine",
        update_batch_norm_twice: bool = True,
        best_from: float = 0.8,
        seed: int = 0,
        output: str | None = None,
        export: str | None = None,
    ) -> None:
        super().__init__()
        self.student_name = student
        self.teacher = teacher
        self.checkpoint = checkpoint
        self.num_classes = num_classes
        self.image_size = image_size
        self.norm: Norm | None = norm
        self.temperature = protocol.temperature(mix) if temperature is None else temperature
        self.augmentation = augmentation
        self.mix: Mix = mix
        self.mix_alpha = protocol.mix_alpha(mix) if mix_alpha is None else mix_alpha
        self.mean = tuple(mean)
        self.std = tuple(std)
        self.lr = lr
        self.weight_decay = weight_decay
        self.betas = betas
        self.schedule: protocol.Schedule = schedule
        self.update_batch_norm_twice = update_batch_norm_twice
        self.best_from = best_from
        self.seed = seed
        self.output = output
        self.export = export
        self.teacher_network = None
        self.teacher_sha256: str | None = None
        self.teacher_accuracies: Accuracies | None = None
        self.evaluations: list[Evaluation] = []
        self._batches_seen = 0  # counted here: Lightning's own counters differ between kinds of checkpoints
        protocol.schedule_factor(schedule, 0, 1)
        for name, valid in (
            ("temperature", self.temperature > 0),
            ("mix_alpha", self.mix_alpha > 0),
            ("std", min(self.std) > 0),
            ("weight_decay", weight_decay >= 0),
            ("best_from", 0 <= best_from <= 1),
            ("lr", lr is None or lr > 0),
        ):
            if not valid:
                raise ValueError(f"model.{name}={getattr(self, name)} is out of range.")

    def configure_callbacks(self) -> Sequence[Callback]:
        """Attach the writer of ``result.json``."""
        return [StudentResults(self.output, self.export)]

    def configure_model(self) -> None:
        """Build student and teacher once the data's classes and sizes are known."""
        if "student" in self._modules:
            return
        refuse_rows(self._data())
        self.num_classes = self.num_classes or asked_of_data(self._data(), "num_classes")
        self.image_size = self.image_size or asked_of_data(self._data(), "image_size")
        self.lr = self.lr or protocol.learning_rate(self.student_name, self.num_classes, self.image_size)
        # Initial weights are a function of the seed, whatever ran before. Teachers are trained here too, on hard
        # labels: under one seed they must not start from their students' weights, because a shared start makes copying
        # the teacher easier than it is for any other pair.
        labels = "hard" if self.teacher is None else "soft"
        with torch.random.fork_rng():
            torch.manual_seed(stable_seed("student", labels, self.seed))
            self.student = create_student(self.student_name, self.num_classes, self.image_size, self.norm)
        if self.checkpoint is not None:
            path = resolve(self.checkpoint, key="model.checkpoint")
            tensors = read_tensors(path, prefixes=PREFIXES, key="model.checkpoint")
            load_strictly(self.student, tensors, source=str(path), key="model.checkpoint")
        if self.teacher is not None and self._fitting:
            self.teacher_network, self.teacher_sha256 = self.teacher.load(self.num_classes, self.image_size)
        self.accuracy = ClassAccuracy(self.num_classes)

    def on_test_start(self) -> None:
        """Refuse to judge random weights."""
        refuse_random_weights(self.trainer, self.checkpoint)

    def on_validation_start(self) -> None:
        """Refuse to judge random weights, outside of a fit."""
        refuse_random_weights(self.trainer, self.checkpoint)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW with the protocol's two parameter groups, scheduled by epoch."""
        epochs = self.epochs
        if self.lr is None:
            raise RuntimeError("configure_optimizers runs after configure_model.")
        optimizer = torch.optim.AdamW(
            protocol.parameter_groups(self.student, self.weight_decay), lr=self.lr, betas=self.betas
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda epoch: protocol.schedule_factor(self.schedule, epoch, epochs)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}

    @property
    def epochs(self) -> int:
        """Epochs of the whole training.

        Raises:
            ValueError: If the Trainer has no number of epochs, which the schedule needs.
        """
        epochs = self.trainer.max_epochs
        if not epochs or epochs < 1:
            raise ValueError(f"trainer.max_epochs={epochs}: the schedule needs the number of epochs, e.g. 300.")
        return epochs

    def on_fit_start(self) -> None:
        """Measure the teacher before anything is trained on its word."""
        if self.trainer.world_size > 1:
            _log.warning(
                "The student trains on %d devices: batch and batch-norm statistics are then not the protocol's. "
                "One device a student, several students at once, is the comparable way.",
                self.trainer.world_size,
            )
        if self.teacher_network is None:
            return
        self.teacher_accuracies = self._measure(self.teacher_network)
        for logger in self.loggers:
            logger.log_metrics({"teacher/top1": self.teacher_accuracies.top1}, step=self.global_step)
        warn_near_chance(self.teacher_accuracies)

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """One step on one augmented and mixed batch."""
        place = (self.seed, self._batches_seen, self.global_rank)
        self._batches_seen += 1
        torch.manual_seed(stable_seed("dropout", *place))  # so that a resumed fit repeats
        mixed = self.augment(batch.image, stream("augment", *place))
        image = self._normalize(mixed.image)
        if self.update_batch_norm_twice:
            with torch.no_grad():
                self.student(image)
            torch.clear_autocast_cache()  # older torch would reuse the weights cast here, which carry no gradient
        if self.teacher_network is None:
            loss = hard_label_loss(self.student(image), batch.label, batch.label[mixed.partner], mixed.share)
        else:
            with torch.no_grad():
                soft = self.teacher_network(self._normalize_for_teacher(mixed.image))
            loss = soft_label_loss(self.student(image), soft, self.temperature)
        self.log("train/loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(image))
        return loss

    def augment(self, image: Tensor, generator: torch.Generator) -> Mixed:
        """Crop, flip and mix uint8 images ``(B, 3, H, W)``; the result is in [0, 1]."""
        if self.image_size is None:
            raise RuntimeError("augment runs after configure_model.")
        return mix_images(self.augmentation(image, self.image_size, generator), self.mix, self.mix_alpha, generator)

    def validation_step(self, batch: ImageBatch, batch_idx: int) -> None:
        """Count the student's right answers."""
        self.accuracy.update(self.student(self._normalize(self._whole(batch.image))), batch.label)

    def on_validation_epoch_start(self) -> None:
        """Start counting."""
        self.accuracy.reset()

    def on_validation_epoch_end(self) -> None:
        """Log accuracies and remember them."""
        accuracies = self.accuracy.compute()
        self.log_dict({"val/top1": accuracies.top1, "val/top5": accuracies.top5}, prog_bar=True)
        if self._fitting and not self.trainer.sanity_checking:
            self.evaluations.append(Evaluation(self.current_epoch + 1, accuracies))

    def test_step(self, batch: ImageBatch, batch_idx: int) -> None:
        """Count the student's right answers."""
        self.validation_step(batch, batch_idx)

    def on_test_epoch_start(self) -> None:
        """Start counting."""
        self.accuracy.reset()

    def on_test_epoch_end(self) -> None:
        """Log accuracies, of each class too."""
        accuracies = self.accuracy.compute()
        self.log_dict({"test/top1": accuracies.top1, "test/top5": accuracies.top5})
        known = {f"test/class_{cls}": share for cls, share in enumerate(accuracies.per_class) if share is not None}
        self.log_dict(known)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the student and the evaluations so far; the teacher has its own file."""
        state = checkpoint["state_dict"]
        for name in [name for name in state if name.startswith("teacher_network.")]:
            del state[name]
        evaluations = [evaluation.to_json() for evaluation in self.evaluations]
        checkpoint[_PROGRESS] = {"batches": self._batches_seen, "evaluations": evaluations}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Fill in what `on_save_checkpoint` left out, so that loading stays strict."""
        if self.teacher_network is not None:
            own = self.teacher_network.state_dict(prefix="teacher_network.")
            checkpoint["state_dict"] |= own
        progress = checkpoint.get(_PROGRESS, {"batches": 0, "evaluations": []})
        self._batches_seen = progress["batches"]
        self.evaluations = [Evaluation.from_json(value) for value in progress["evaluations"]]

    def constants(self) -> dict[str, Any]:
        """Every constant of this training as plain values, for ``result.json``."""
        return {
            "labels": "hard" if self.teacher is None else "soft",
            "temperature": None if self.teacher is None else self.temperature,
            "augmentation": asdict(self.augmentation),
            "mix": self.mix,
            "mix_alpha": None if self.mix == "none" else self.mix_alpha,
            "mean": list(self.mean),
            "std": list(self.std),
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            "betas": list(self.betas),
            "schedule": self.schedule,
            "update_batch_norm_twice": self.update_batch_norm_twice,
            "best_from": self.best_from,
            "epochs": self.epochs,
            "started_from_checkpoint": self.checkpoint is not None,
        }

    @property
    def _fitting(self) -> bool:
        return self.trainer.state.fn == TrainerFn.FITTING

    def _measure(self, network: nn.Module) -> Accuracies:
        """Accuracies of a network on the validation data."""
        network.to(self.device)
        counter = ClassAccuracy(len(self.accuracy.count)).to(self.device)
        with torch.no_grad():
            for batch in self._data().val_dataloader():
                image = self._whole(batch.image.to(self.device))
                counter.update(network(self._normalize_for_teacher(image)), batch.label.to(self.device))
        result: Accuracies = counter.compute()
        return result

    def _data(self) -> LightningDataModule:
        data: LightningDataModule | None = getattr(self.trainer, "datamodule", None)
        if data is None:
            raise ValueError("RelabelTraining takes its images from a data module: give `data:`.")
        return data

    def _whole(self, image: Tensor) -> Tensor:
        """Validation images in [0, 1], already cropped to the input size by their data module."""
        if image.shape[-2:] != (self.image_size, self.image_size):
            raise ValueError(
                f"Validation images are {tuple(image.shape[-2:])}, the student takes {self.image_size} pixels. "
                "Give the validation data the same image_size as the student."
            )
        return image.float() / 255

    def _normalize(self, image: Tensor) -> Tensor:
        return self._standardize(image, self.mean, self.std)

    def _normalize_for_teacher(self, image: Tensor) -> Tensor:
        if self.teacher is None:
            return self._normalize(image)
        return self._standardize(image, self.teacher.mean or self.mean, self.teacher.std or self.std)

    def _standardize(self, image: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
        centred = image - image.new_tensor(mean)[:, None, None]
        return (centred / image.new_tensor(std)[:, None, None]).to(self.dtype)
