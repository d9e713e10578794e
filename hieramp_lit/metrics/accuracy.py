"""Top-1, top-5 and per-class accuracy, and what last and best mean."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric


class Accuracies(NamedTuple):
    """Shares of right answers, each in [0, 1].

    Attributes:
        top1: The label has the largest logit.
        top5: The label is among the five largest (all of them count with five classes or fewer).
        per_class: Top-1 of each class; None where a class has no image.
        n: Number of images.
    """

    top1: float
    top5: float
    per_class: tuple[float | None, ...]
    n: int


class ClassAccuracy(Metric):
    """Counts right answers per class, over batches and ranks.

    Its states are right top-1 answers, right top-5 answers and images of each class, int64, shape ``(N,)``.

    Args:
        num_classes: Number of classes N.
    """

    full_state_update = False
    top1: Tensor
    top5: Tensor
    count: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        for name in ("top1", "top5", "count"):
            self.add_state(name, torch.zeros(num_classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, logits_BN: Tensor, label_B: Tensor) -> None:
        """Count a batch.

        Args:
            logits_BN: Scores, shape ``(B, N)``.
            label_B: Labels, int64, shape ``(B,)``.
        """
        classes = len(self.count)
        ranked = logits_BN.topk(min(5, logits_BN.shape[1]), dim=1).indices == label_B[:, None]
        self.top1 += torch.bincount(label_B[ranked[:, 0]], minlength=classes)
        self.top5 += torch.bincount(label_B[ranked.any(dim=1)], minlength=classes)
        self.count += torch.bincount(label_B, minlength=classes)

    def compute(self) -> Accuracies:
        """Divide.

        Raises:
            ValueError: If no image was counted.
        """
        n = int(self.count.sum())
        if n == 0:
            raise ValueError("There are no validation images to measure an accuracy on. Check data.validation.")
        counts = zip(self.top1.tolist(), self.count.tolist(), strict=True)
        per_class = tuple(right / count if count else None for right, count in counts)
        return Accuracies(int(self.top1.sum()) / n, int(self.top5.sum()) / n, per_class, n)


class Evaluation(NamedTuple):
    """Accuracies after an epoch; epochs are counted from 1."""

    epoch: int
    accuracies: Accuracies

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"epoch": self.epoch, **self.accuracies._asdict(), "per_class": list(self.accuracies.per_class)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Evaluation":
        """Read what `to_json` wrote."""
        return cls(value["epoch"], Accuracies(value["top1"], value["top5"], tuple(value["per_class"]), value["n"]))


def best(evaluations: Sequence[Evaluation], first_epoch: int = 1) -> Evaluation:
    """The evaluation of highest top-1, the earliest of equals.

    Args:
        evaluations: In order of epochs.
        first_epoch: Evaluations of earlier epochs do not count, unless there are no later ones. RDED looks at the last
            fifth of training only.

    Raises:
        ValueError: If there are none.
    """
    if not evaluations:
        raise ValueError("The student was never evaluated: lower trainer.check_val_every_n_epoch.")
    late = [evaluation for evaluation in evaluations if evaluation.epoch >= first_epoch] or evaluations[-1:]
    return max(late, key=lambda evaluation: (evaluation.accuracies.top1, -evaluation.epoch))
