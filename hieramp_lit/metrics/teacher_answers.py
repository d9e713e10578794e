"""What a teacher thinks of a set: does it see the class, and how surely.

Legend: ``B`` batch · ``N`` classes.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from hieramp_lit.metrics.rows import check_labels


class TeacherAnswers(NamedTuple):
    """Means over images.

    Attributes:
        top1: Share that the teacher recognizes, in [0, 1].
        confidence: Its probability of the true class, in [0, 1].
        entropy: Of its answer, in nats, from 0 (sure) to log N (no idea).
        per_class_top1: Likewise of each class; None where a class has no image.
        per_class_confidence: Likewise.
        per_class_entropy: Likewise.
        n: Number of images.
    """

    top1: float
    confidence: float
    entropy: float
    per_class_top1: tuple[float | None, ...]
    per_class_confidence: tuple[float | None, ...]
    per_class_entropy: tuple[float | None, ...]
    n: int


class TeacherConfidence(Metric):
    """Accuracy, probability of the true class and entropy of a teacher's answers; summed over batches and ranks.

    A teacher that is too sure of generated images says as little as one that does not know them: its soft labels are
    then hard. Sums are float64, so they do not depend on how images were batched.

    Args:
        num_classes: N.

    Raises:
        ValueError: If N is below 1.
    """

    full_state_update = False
    hits: Tensor
    probability: Tensor
    entropy: Tensor
    count: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes={num_classes} must be at least 1.")
        for name in ("hits", "count"):
            self.add_state(name, torch.zeros(num_classes, dtype=torch.int64), dist_reduce_fx="sum")
        for name in ("probability", "entropy"):
            self.add_state(name, torch.zeros(num_classes, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, logits_BN: Tensor, label_B: Tensor) -> None:
        """Take in the teacher's answers to a batch.

        Args:
            logits_BN: Scores before softmax, any float type, shape ``(B, N)``.
            label_B: cls, int64, shape ``(B,)``.

        Raises:
            ValueError: If shapes do not fit, a label is no class, or an answer is NaN or +∞.
        """
        classes = len(self.count)
        if logits_BN.ndim != 2 or logits_BN.shape[1] != classes:
            raise ValueError(
                f"Answers of shape {tuple(logits_BN.shape)} received, (images, {classes}) expected: the teacher must "
                "know the set's classes, in their order (teacher.rows)."
            )
        label_B = check_labels(label_B, classes, len(logits_BN))
        probability_BN = logits_BN.detach().double().softmax(dim=1)
        bad = probability_BN.isnan().any(dim=1).nonzero().flatten().tolist()
        if bad:
            raise ValueError(
                f"The teacher's answers to {len(bad)} of {len(logits_BN)} images of a batch are NaN or infinite, the "
                f"first at place {bad[0]}. Look at these images, and at the teacher's precision and weights."
            )
        true_B = probability_BN.gather(1, label_B[:, None]).squeeze(1)
        hit_B = logits_BN.argmax(dim=1) == label_B
        # not in place: a state that was made under inference mode could not be changed outside of it
        self.hits = self.hits + torch.bincount(label_B[hit_B], minlength=classes)
        self.count = self.count + torch.bincount(label_B, minlength=classes)
        self.probability = self.probability.index_add(0, label_B, true_B)
        self.entropy = self.entropy.index_add(0, label_B, torch.special.entr(probability_BN).sum(dim=1))

    def compute(self) -> TeacherAnswers:
        """Divide.

        Raises:
            ValueError: If there are no images.
        """
        n = int(self.count.sum())
        if n == 0:
            raise ValueError("There are no images to ask the teacher about.")
        sums = (self.hits, self.probability, self.entropy)
        top1, confidence, entropy = (float(total.sum()) / n for total in sums)
        hits, probability, entropies = (self._per_class(total) for total in sums)
        return TeacherAnswers(top1, confidence, entropy, hits, probability, entropies, n)

    def _per_class(self, total: Tensor) -> tuple[float | None, ...]:
        pairs = zip(total.tolist(), self.count.tolist(), strict=True)
        return tuple(value / number if number else None for value, number in pairs)
