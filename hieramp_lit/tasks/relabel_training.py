"""Training a student on a distilled set: a teacher labels every augmented image anew (RDED, arXiv:2312.03526)."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Literal, cast

import torch
from lightning.pytorch import Callback
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from hieramp_lit.callbacks.student_results import StudentResults
from hieramp_lit.checkpoints import check_network, load_strictly, read_tensors, resolve
from hieramp_lit.data.bank.augment import Augmentation
from hieramp_lit.data.bank.mix import Mix
from hieramp_lit.data.bank.views import Views
from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.metrics.accuracy import ClassAccuracy
from hieramp_lit.seeds import stable_seed, stream
from hieramp_lit.students import protocol
from hieramp_lit.students.create import create_student
from hieramp_lit.students.network_input import NetworkInput, fastest_format
from hieramp_lit.students.norm import Norm
from hieramp_lit.students.teacher import PREFIXES, Teacher
from hieramp_lit.tasks.student_checks import (
    asked_of_data,
    has_batch_norm,
    refuse_rows,
    refuse_single_image,
    warn_near_chance,
    warn_of_devices,
)
from hieramp_lit.tasks.student_evaluation import StudentEvaluation
from hieramp_lit.tasks.teaching import Teaching, relabel_loss

Compile = Literal["none", "default", "max-autotune"]
RDED_AUGMENTATION = Augmentation()
_PROGRESS = "relabel_training"


class RelabelTraining(StudentEvaluation):
    """Trains a classifier on soft labels of a teacher, or on hard labels without one; the defaults are RDED's.

    Batches come as `ImageBatch`; cropping, flipping and mixing happen here, on the device, under one random stream per
    (seed, batch). Student and teacher run in the Trainer's precision and in the memory format that each is fastest in.
    Each fit writes a ``result.json``; `test` evaluates `checkpoint`.

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
            effect of the published loop does: its batch-norm statistics then move twice a step. Without batch norm
            there is nothing to move, and it does not run.
        best_from: Share of training after which an evaluation may be the best; RDED looks at the last fifth.
        seed: The student's seed: initial weights, augmentation and dropout.
        output: Where to write the result. Null: ``result.json`` in the logger's folder.
        export: Where to write the trained student's weights as safetensors. Null: nowhere.
        compile: How `torch.compile` makes student and teacher faster: ``none``, ``default`` or ``max-autotune`` (tries
            kernels, and CUDA graphs). The first steps then take minutes, and results differ by rounding.

    Raises:
        ValueError: For settings that cannot be.
    """

    teacher_network: nn.Module | None

    memory_knobs: ClassVar[tuple[str, ...]] = (
        "data.max_device_gib: images then wait in host memory",
        "trainer.precision: bf16-mixed, which the result records",
        "data.batch_size, which is part of the protocol",
    )

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
        compile: Compile = "none",
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
        self.compilation: Compile = compile
        self.teacher_network = None
        self.teaching: Teaching | None = None
        protocol.schedule_factor(schedule, 0, 1)
        for name, valid in (
            ("num_classes", num_classes is None or num_classes > 0),
            ("image_size", image_size is None or image_size > 0),
            ("temperature", self.temperature > 0),
            ("mix_alpha", self.mix_alpha > 0),
            ("std", min(self.std) > 0),
            ("weight_decay", weight_decay >= 0),
            ("best_from", 0 <= best_from <= 1),
            ("lr", lr is None or 0 < lr < math.inf),
            ("betas", all(0 <= beta < 1 for beta in betas)),
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
        refuse_rows(self.data)
        self.num_classes = self.num_classes or asked_of_data(self.data, "num_classes")
        self.image_size = self.image_size or asked_of_data(self.data, "image_size")
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
        if self.teacher is not None and self.fitting and self.teaching is None:
            self.teaching = self._load_teacher(self.teacher, self.num_classes, self.image_size)
        # A child of this module, so that it follows to the device and into the precision.
        self.teacher_network = None if self.teaching is None else self.teaching.network
        self.student_input = self._speed_up(self.student, self.mean, self.std)
        self._has_batch_norm = has_batch_norm(self.student)
        self._views = Views(self.augmentation, self.image_size, self.mix, self.mix_alpha)
        self.accuracy = ClassAccuracy(self.num_classes)

    def adopt(self, teaching: Teaching) -> None:
        """Take a teacher that another student on the same data was trained with: loaded already, and measured.

        Args:
            teaching: The other task's `teaching`, after its fit.

        Raises:
            ValueError: If it is not the teacher that this task asks for, or sees images another way.
        """
        seen = teaching.network_input
        if teaching.teacher != self.teacher or self._seen_by(teaching.teacher) != (seen.mean, seen.std):
            raise ValueError(
                f"model.teacher={self.teacher} is not the teacher that is loaded, {teaching.teacher}, or model.mean or "
                "model.std differs: these students cannot share it. Train them apart."
            )
        self.teaching = teaching

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW with the protocol's two parameter groups, scheduled by epoch."""
        epochs = self.epochs
        if self.lr is None:
            raise RuntimeError("configure_optimizers runs after configure_model.")
        optimizer = torch.optim.AdamW(
            protocol.parameter_groups(self.student, self.weight_decay),
            lr=self.lr,
            betas=self.betas,
            fused=self.trainer.gradient_clip_val is None,  # Lightning cannot clip under it in 16-mixed
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
        warn_of_devices(self.trainer.world_size)
        if self.teaching is None or self.teaching.accuracies is not None:
            return
        accuracies = self.measure(self.teaching.network, self.teaching.network_input)
        self.teaching.accuracies = accuracies
        for logger in self.loggers:
            logger.log_metrics({"teacher/top1": accuracies.top1}, step=self.global_step)
        warn_near_chance(accuracies)

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """One step on one augmented and mixed batch."""
        place = (self.seed, self.progress.batches, self.global_rank)
        self.progress.batches += 1
        torch.manual_seed(stable_seed("dropout", *place))  # so that a resumed fit repeats
        if self._has_batch_norm:
            refuse_single_image(batch.image, self.student_name)
        loss = relabel_loss(
            self.student,
            self.student_input,
            self.teaching,
            self._views(batch.image, stream("augment", *place)),
            batch.label,
            temperature=self.temperature,
            update_batch_norm_twice=self.update_batch_norm_twice and self._has_batch_norm,
            dtype=cast(torch.dtype, self.dtype),
        )
        seen = len(batch.label)
        self.log("train/loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=seen, sync_dist=True)
        return loss

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the student and the evaluations so far; the teacher has its own file."""
        state = checkpoint["state_dict"]
        for name in [name for name in state if name.startswith("teacher_network.")]:
            del state[name]
        checkpoint[_PROGRESS] = self.progress.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Fill in what `on_save_checkpoint` left out, so that loading stays strict.

        Raises:
            ValueError: If the checkpoint is of another task.
        """
        check_network(checkpoint, "student")
        if self.teacher_network is not None:
            own = self.teacher_network.state_dict(prefix="teacher_network.")
            checkpoint["state_dict"] |= own
        self.progress.load_state_dict(checkpoint.get(_PROGRESS, {}))

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

    def _load_teacher(self, teacher: Teacher, num_classes: int, image_size: int) -> Teaching:
        network, sha256 = teacher.load(num_classes, image_size)
        return Teaching(teacher, network, sha256, self._speed_up(network, *self._seen_by(teacher)))

    def _seen_by(self, teacher: Teacher) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation that a teacher's images are normalized with."""
        return tuple(teacher.mean or self.mean), tuple(teacher.std or self.std)

    def _speed_up(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> NetworkInput:
        """Lay a network's weights out as it is fastest, compile it if asked, and give the input that fits."""
        memory_format = fastest_format(network)
        network.to(memory_format=memory_format)
        if self.compilation != "none":
            network.compile(mode=self.compilation, dynamic=False)  # in place: state-dict names stay
        return NetworkInput(tuple(mean), tuple(std), memory_format)
