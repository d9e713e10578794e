"""A protocol: every constant of a student's training in one place, under a name and a version."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import nn

from hieramp_lit.losses.soft_labels import SoftLoss
from hieramp_lit.students.protocols import rules
from hieramp_lit.students.protocols.optimizers import Decayed, OptimizerName, make_optimizer, parameter_groups
from hieramp_lit.students.protocols.rules import BatchSizeRule, BestRule, EpochsRule
from hieramp_lit.students.protocols.schedules import Schedule, schedule_factor
from hieramp_lit.students.protocols.setting import Setting
from hieramp_lit.students.views.augment import Augmentation
from hieramp_lit.students.views.mix import Mix

Labels = Literal["soft", "hard"]


@dataclass(frozen=True)
class Protocol:
    """How students are trained and judged; the defaults are RDED's on generated images.

    Args:
        name: Under which results are compared. It selects nothing: give ``configs/protocols/NAME.yaml``. A published
            name (rded, d3hr, minimax_hard, clean) makes the result say what differs from the published constants.
        version: Of the protocol of this name.
        labels: ``soft``: the teacher's, for the very images that the student sees. ``hard``: the set's own, mixed as
            the images are; a teacher is then not loaded. RDED, D³HR: soft; Minimax: hard.
        loss: Of soft labels: ``kl`` without a factor (RDED), or ``kl_t2`` with T² (Hinton et al., arXiv:1503.02531),
            which keeps gradients as large at any T. Hard labels always have cross-entropy.
        temperature: Softening T of both softmaxes. RDED: 20 with CutMix, 4 with MixUp. Read with soft labels only.
        mix: ``cutmix``, ``mixup`` or ``none``; one draw a batch. RDED, D³HR, Minimax: CutMix on every batch.
        mix_alpha: λ ~ Beta(mix_alpha, mix_alpha). 1 with CutMix; RDED: 0.8 with MixUp.
        augmentation: Shuffled patches, random resized crop, flip. For collages as RDED makes them ``shuffle_patches:
            2`` and ``min_scale: 0.5``; RDED's own rule for generated images, (1, 1), would crop nothing, so D³HR's
            (0.08, 1). Minimax: (0.5, 1); the colour jitter and lighting noise of its code are left out.
        optimizer: ``adamw`` (RDED, D³HR) or ``sgd`` (Minimax).
        lr: Initial learning rate. Null: RDED's by student: 0.001 for ResNets and ConvNets, 0.0025 MobileNet, 0.002
            EfficientNet, 0.0005 VGG, 0.0001 AlexNet, ViT and Swin, 0.002 for ConvNet-3 on CIFAR-100. D³HR builds on
            RDED's code, whose table it is given here. Minimax: 0.01; its code has 0.1 for more than 100 classes.
        weight_decay: RDED, D³HR: 0.01. Minimax: 5e-4; its code has 1e-4 for more than 100 classes.
        decayed: What decays: ``weights`` with more than one dimension (RDED), or ``all`` parameters (Minimax, as SGD
            has it by itself).
        betas: AdamW's β₁ and β₂.
        momentum: SGD's. Minimax: 0.9.
        schedule: Learning rate by epoch: ``half_cosine`` (RDED: ends at one half), ``cosine`` (to 0), ``step``
            (Minimax) or ``constant``.
        milestones: Of ``step``, shares of training. Minimax: ⅔ and ⅚.
        gamma: Of ``step``, the factor at each milestone. Minimax: 0.2.
        epochs: Of the whole training, where ``trainer.max_epochs`` is -1. Null: by `epochs_rule`.
        epochs_rule: ``rded``: 300. ``d3hr``: 300, CIFAR (32 pixels) 400, ImageWoof 2000, 1500 at 10, 50 images per
            class, else 1000. ``minimax``: 3000 to 300 by images per class, see `rules.epochs`.
        batch_size_rule: Where ``data.batch_size`` is null: ``rded`` (10, 50, 100 by images per class, doubled for 100
            and 1000 classes), ``d3hr`` (15, 50, 100, never doubled) or ``minimax`` (64); never more than the set.
        update_batch_norm_twice: Also run the student in train mode, without gradient, before each step, on the batch as
            it is trained on. A side effect of RDED's loop: batch-norm statistics then move twice a step. Without batch
            norm there is nothing to move, and it does not run.
        evaluate_every: Epochs between evaluations, where ``trainer.check_val_every_n_epoch`` is -1; the last epoch is
            always evaluated. Null: a hundredth of training, rounded down, at least 1 (Minimax). RDED: 10; D³HR: 1.
        evaluate_early: Evaluate also where no evaluation may be the best, for the curve. RDED and D³HR do not; for
            D³HR, at every epoch, it would double the work.
        best_rule: From when on an evaluation may be the best: ``share`` of training, or ``d3hr``: from epoch 392 on for
            CIFAR and ImageWoof, 292 elsewhere, counted from 1, however long training is.
        best_from: Of ``share``. RDED: 0.8. Minimax: 0, any epoch. 1: the last epoch alone.

    Raises:
        ValueError: For constants that cannot be.
    """

    name: str = "rded"
    version: int = 1
    labels: Labels = "soft"
    loss: SoftLoss = "kl"
    temperature: float = 20.0
    mix: Mix = "cutmix"
    mix_alpha: float = 1.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimizer: OptimizerName = "adamw"
    lr: float | None = None
    weight_decay: float = 0.01
    decayed: Decayed = "weights"
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.9
    schedule: Schedule = "half_cosine"
    milestones: tuple[float, ...] = (2 / 3, 5 / 6)
    gamma: float = 0.2
    epochs: int | None = 300
    epochs_rule: EpochsRule = "rded"
    batch_size_rule: BatchSizeRule = "rded"
    update_batch_norm_twice: bool = True
    evaluate_every: int | None = 10
    evaluate_early: bool = True
    best_rule: BestRule = "share"
    best_from: float = 0.8

    def __post_init__(self) -> None:
        """Check the constants."""
        for name, valid, allowed in (
            ("name", bool(self.name), "give one"),
            ("version", self.version >= 1, "1 or more"),
            ("temperature", 0 < self.temperature < math.inf, "positive"),
            ("mix_alpha", 0 < self.mix_alpha < math.inf, "positive"),
            ("lr", self.lr is None or 0 < self.lr < math.inf, "positive, or null for RDED's by student"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more"),
            ("betas", all(0 <= beta < 1 for beta in self.betas), "in [0, 1)"),
            ("momentum", 0 <= self.momentum < 1, "in [0, 1)"),
            ("milestones", all(0 <= share <= 1 for share in self.milestones), "shares of training, in [0, 1]"),
            ("gamma", 0 < self.gamma < math.inf, "positive"),
            ("epochs", self.epochs is None or self.epochs >= 1, "1 or more, or null for epochs_rule"),
            (
                "evaluate_every",
                self.evaluate_every is None or self.evaluate_every >= 1,
                "1 or more, or null for a hundredth of training",
            ),
            ("best_from", 0 <= self.best_from <= 1, "in [0, 1]"),
        ):
            if not valid:
                raise ValueError(f"model.protocol.{name}={getattr(self, name)!r} is out of range: {allowed}.")

    def learning_rate(self, setting: Setting) -> float:
        """Initial learning rate."""
        return self.lr if self.lr is not None else rules.learning_rate(setting)

    def epochs_for(self, setting: Setting) -> int:
        """Epochs of the whole training."""
        return self.epochs if self.epochs is not None else rules.epochs(self.epochs_rule, setting)

    def batch_size(self, setting: Setting) -> int:
        """Images of a step."""
        return rules.batch_size(self.batch_size_rule, setting)

    def first_best_epoch(self, epochs: int, setting: Setting) -> int:
        """The first epoch, counted from 1, whose evaluation may be the best."""
        return rules.first_best_epoch(self.best_rule, self.best_from, epochs, setting)

    def evaluation_interval(self, epochs: int) -> int:
        """Epochs between evaluations, in a training of so many."""
        return rules.evaluation_interval(self.evaluate_every, epochs)

    def evaluates(self, epoch: int, epochs: int, setting: Setting) -> bool:
        """Whether an epoch, counted from 1, ends with an evaluation.

        Args:
            epoch: Counted from 1.
            epochs: Of the whole training.
            setting: Student and set.
        """
        if epoch == epochs:
            return True
        due = epoch % self.evaluation_interval(epochs) == 0
        return due and (self.evaluate_early or epoch >= self.first_best_epoch(epochs, setting))

    def factor(self, epochs: int) -> Callable[[int], float]:
        """Factor on the learning rate by epoch, counted from 0.

        Args:
            epochs: Of the whole training.
        """
        return lambda epoch: schedule_factor(self.schedule, epoch, epochs, self.milestones, self.gamma)

    def make_optimizer(self, student: nn.Module, lr: float, fused: bool = True) -> torch.optim.Optimizer:
        """The optimizer over a student.

        Args:
            student: Network.
            lr: Initial learning rate, see `learning_rate`.
            fused: One pass over the memory; equal to rounding.
        """
        groups = parameter_groups(student, self.weight_decay, self.decayed)
        return make_optimizer(self.optimizer, groups, lr, betas=self.betas, momentum=self.momentum, fused=fused)
