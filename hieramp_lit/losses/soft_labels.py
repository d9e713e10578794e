"""Losses of students: a teacher's soft labels, or hard labels of mixed images.

Legend: ``B`` batch · ``N`` classes.
"""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

SoftLoss = Literal["kl", "kl_t2"]


def soft_label_loss(
    student_logits_BN: Tensor, teacher_logits_BN: Tensor, temperature: float, loss: SoftLoss = "kl"
) -> Tensor:
    """Kullback-Leibler divergence of the student from the teacher, both softened.

    ``KL(softmax(teacher / T) ‖ softmax(student / T))``, mean over the batch, without a hard-label term.

    Args:
        student_logits_BN: Scores before softmax, any float dtype, shape ``(B, N)``; reduced in float32 at least.
        teacher_logits_BN: The teacher's scores for the same images, shape ``(B, N)``.
        temperature: T, positive.
        loss: ``kl`` has no factor, so that the gradient shrinks with T, as in RDED's loop (arXiv:2312.03526); ``kl_t2``
            has the factor T² of arXiv:1503.02531, under which its size hardly depends on T.

    Returns:
        Scalar loss in nats.

    Raises:
        ValueError: If the shapes differ, or for an unknown `loss`.
    """
    if loss not in get_args(SoftLoss):
        raise ValueError(f"model.protocol.loss={loss!r}: choose {' or '.join(get_args(SoftLoss))}.")
    if student_logits_BN.shape != teacher_logits_BN.shape:
        raise ValueError(
            f"The student answers {tuple(student_logits_BN.shape)}, the teacher {tuple(teacher_logits_BN.shape)}. "
            "They must know the same classes: set teacher.num_classes or teacher.rows, or train a teacher for this set."
        )
    dtype = torch.promote_types(student_logits_BN.dtype, torch.float32)
    divergence = F.kl_div(
        F.log_softmax(student_logits_BN.to(dtype) / temperature, dim=1),
        F.log_softmax(teacher_logits_BN.to(dtype) / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    return divergence * temperature**2 if loss == "kl_t2" else divergence


def hard_label_loss(logits_BN: Tensor, label_B: Tensor, other_B: Tensor, share: float) -> Tensor:
    """Cross-entropy of mixed images: each belongs to `label_B` by `share` and to `other_B` by the rest.

    Args:
        logits_BN: Scores before softmax, any float dtype, shape ``(B, N)``; reduced in float32 at least.
        label_B: Label of the image itself, int64, shape ``(B,)``.
        other_B: Label of what was mixed in, int64, shape ``(B,)``.
        share: In [0, 1]; 1 for images that were not mixed.

    Returns:
        Scalar loss in nats, mean over the batch.
    """
    logits = logits_BN.to(torch.promote_types(logits_BN.dtype, torch.float32))
    own = F.cross_entropy(logits, label_B)
    if share == 1.0:
        return own
    return share * own + (1.0 - share) * F.cross_entropy(logits, other_B)
