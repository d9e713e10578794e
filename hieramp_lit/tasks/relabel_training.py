"""Training a student on a distilled set: a teacher labels every augmented image anew (RDED, arXiv:2312.03526)."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, cast

import torch
from lightning.pytorch import Callback
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from hieramp_lit.callbacks.student_results import StudentResults
from hieramp_lit.checkpoints import check_network, load_strictly, read_tensors, resolve, weights_sha256
from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.metrics.accuracy import ClassAccuracy
from hieramp_lit.seeds import stable_seed, stream
from hieramp_lit.students.create import create_student
from hieramp_lit.students.network_input import IMAGENET_MEAN, IMAGENET_STD, NetworkInput, fastest_format
from hieramp_lit.students.norm import Norm
from hieramp_lit.students.protocols import PUBLISHED, Protocol, Setting, resolved
from hieramp_lit.students.teacher import PREFIXES, Teacher
from hieramp_lit.students.views import Views
from hieramp_lit.tasks.student_checks import (
    asked_of_data,
    has_batch_norm,
    refuse_another_teacher,
    refuse_rows,
    refuse_single_image,
    warn_near_chance,
    warn_of_devices,
)
from hieramp_lit.tasks.student_evaluation import StudentEvaluation
from hieramp_lit.tasks.student_setting import follow, setting_of
from hieramp_lit.tasks.teaching import Teaching, relabel_loss

Compile = Literal["none", "default", "max-autotune"]
RDED = PUBLISHED["rded"]
_PROGRESS = "relabel_training"
_TEACHER = "teacher_sha256"


class RelabelTraining(StudentEvaluation):
    """Trains a classifier under a protocol, on a teacher's soft labels or on hard labels; the defaults are RDED's.

    Batches come as `ImageBatch`; cropping, flipping and mixing happen here, on the device, under one random stream per
    (seed, batch). Student and teacher run in the Trainer's precision and in the memory format that each is fastest in.
    Each fit writes a ``result.json``; `test` evaluates `checkpoint`.

    Args:
        student: Network to train, by any name that `create_student` takes.
        teacher: Network that labels the images; not loaded where ``protocol.labels`` is hard. Null: none, for hard
            labels alone, which is also how teachers are trained.
        checkpoint: The student's weights to start from, or to evaluate in `test` and `validate`: a Lightning checkpoint
            of ours, safetensors or a plain state dict. Null: random.
        num_classes: Rows of the student's last layer. Null: what the data has.
        image_size: Side of the student's input in pixels. Null: what the data has.
        norm: The student's normalization, ``batch`` or ``instance``. Null: the network's own.
        protocol: Every constant of the training: labels, loss, augmentation, mixing, optimizer, schedule, epochs, batch
            size, evaluation. Default: RDED's. ``configs/protocols/`` states the published ones.
        mean: Channel means for normalizing images in [0, 1].
        std: Channel deviations likewise.
        seed: The student's seed: initial weights, augmentation and dropout.
        output: Where to write the result. Null: ``result.json`` in the logger's folder.
        export: Where to write the trained student's weights as safetensors. Null: nowhere.
        compile: How `torch.compile` makes student and teacher faster: ``none``, ``default`` or ``max-autotune`` (tries
            kernels, and CUDA graphs). The first steps then take minutes, and results differ by rounding.

    Raises:
        ValueError: For settings that cannot be.
    """

    teacher_network: nn.Module | None
    setting: Setting

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
        protocol: Protocol = RDED,
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
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
        self.protocol = protocol
        self.mean = tuple(mean)
        self.std = tuple(std)
        self.seed = seed
        self.output = output
        self.export = export
        self.compilation: Compile = compile
        self.teacher_network = None
        self.teaching: Teaching | None = None
        self.started_from: str | None = None
        self._evaluates_by_protocol = False
        for name, valid in (
            ("num_classes", num_classes is None or num_classes > 0),
            ("image_size", image_size is None or image_size > 0),
            ("std", min(self.std) > 0),
        ):
            if not valid:
                raise ValueError(f"model.{name}={getattr(self, name)} is out of range.")
        if protocol.labels == "soft" and teacher is None:
            raise ValueError(
                "model.protocol.labels='soft' needs a teacher: give model.teacher, or model.protocol.labels: hard to "
                "train on the set's own labels."
            )

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
        if self.fitting:
            self.setting = setting_of(self.data, self.num_classes, self.image_size, self.student_name)
            self._evaluates_by_protocol = follow(self.trainer, self.protocol, self.setting)
        # Initial weights are a function of the seed, whatever ran before. Teachers are trained here too, on hard
        # labels: under one seed they must not start from their students' weights, because a shared start makes copying
        # the teacher easier than it is for any other pair.
        with torch.random.fork_rng():
            torch.manual_seed(stable_seed("student", self.protocol.labels, self.seed))
            self.student = create_student(self.student_name, self.num_classes, self.image_size, self.norm)
        if self.checkpoint is not None:
            path = resolve(self.checkpoint, key="model.checkpoint")
            tensors = read_tensors(path, prefixes=PREFIXES, key="model.checkpoint")
            load_strictly(self.student, tensors, source=str(path), key="model.checkpoint")
            self.started_from = weights_sha256(path)
        if self.teacher is not None and self.protocol.labels == "hard":
            rank_zero_info("model.protocol.labels is hard: the set's own labels teach, model.teacher is not loaded.")
        elif self.teacher is not None and self.fitting and self.teaching is None:
            self.teaching = self._load_teacher(self.teacher, self.num_classes, self.image_size)
        # A child of this module, so that it follows to the device and into the precision.
        self.teacher_network = None if self.teaching is None else self.teaching.network
        self.student_input = self._speed_up(self.student, self.mean, self.std)
        self._has_batch_norm = has_batch_norm(self.student)
        self._views = Views(self.protocol.augmentation, self.image_size, self.protocol.mix, self.protocol.mix_alpha)
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
        """The protocol's optimizer, scheduled by epoch."""
        lr = self.protocol.learning_rate(self.setting)
        fused = self.trainer.gradient_clip_val is None  # Lightning cannot clip under it in 16-mixed
        optimizer = self.protocol.make_optimizer(self.student, lr, fused)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self.protocol.factor(self.epochs))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}

    @property
    def epochs(self) -> int:
        """Epochs of the whole training.

        Raises:
            ValueError: If the Trainer has no number of epochs, which the schedule needs.
        """
        epochs = self.trainer.max_epochs
        if not epochs or epochs < 1:
            raise ValueError(
                f"trainer.max_epochs={epochs}: the schedule needs the number of epochs, e.g. 300, or -1 for the "
                "protocol's."
            )
        return epochs

    def is_due(self, epoch: int) -> bool:
        """Whether an epoch, counted from 1, is evaluated after, where the protocol decides."""
        return not self._evaluates_by_protocol or self.protocol.evaluates(epoch, self.epochs, self.setting)

    def on_train_batch_start(self, batch: ImageBatch, batch_idx: int) -> None:
        """Tell the Trainer whether this epoch is evaluated after, where the protocol decides.

        Not when the epoch starts: a fit that was resumed in it does not start it again.
        """
        if self._evaluates_by_protocol:
            self.trainer.check_val_every_n_epoch = 1 if self.is_due(self.current_epoch + 1) else self.epochs + 1

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
            temperature=self.protocol.temperature,
            update_batch_norm_twice=self.protocol.update_batch_norm_twice and self._has_batch_norm,
            loss=self.protocol.loss,
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
        checkpoint[_TEACHER] = None if self.teaching is None else self.teaching.sha256

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Fill in what `on_save_checkpoint` left out, so that loading stays strict.

        Raises:
            ValueError: If the checkpoint is of another task, or its student had another teacher than the one to go on
                with.
        """
        check_network(checkpoint, "student")
        if self.teaching is not None:
            refuse_another_teacher(checkpoint.get(_TEACHER), self.teaching.sha256)
        if self.teacher_network is not None:
            own = self.teacher_network.state_dict(prefix="teacher_network.")
            checkpoint["state_dict"] |= own
        self.progress.load_state_dict(checkpoint.get(_PROGRESS, {}))

    def constants(self) -> dict[str, Any]:
        """Every constant of this training as plain values, for ``result.json``."""
        every = self.trainer.check_val_every_n_epoch
        if self._evaluates_by_protocol:
            cadence: dict[str, Any] = {"evaluate_every": self.protocol.evaluation_interval(self.epochs)}
        else:
            cadence = {"evaluate_every": every, "evaluate_early": True}
        return {
            **resolved(self.protocol, self.setting),
            **cadence,
            "epochs": self.epochs,
            "first_best_epoch": self.protocol.first_best_epoch(self.epochs, self.setting),
            "mean": list(self.mean),
            "std": list(self.std),
            "batch_size": getattr(self.data, "batch_size", None),
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
