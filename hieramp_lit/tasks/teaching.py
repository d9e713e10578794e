"""A teacher at work, and one student's step under it: the published loop's, without its optimizer."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hieramp_lit.losses.soft_labels import SoftLoss, hard_label_loss, soft_label_loss
from hieramp_lit.metrics.accuracy import Accuracies
from hieramp_lit.students.network_input import NetworkInput
from hieramp_lit.students.teacher import Teacher
from hieramp_lit.students.views.mix import Mixed


@dataclass
class Teaching:
    """A loaded teacher; it may label for several students, one after the other.

    Attributes:
        teacher: What was asked for.
        network: In eval mode, without gradients.
        sha256: Of its weights.
        network_input: How it takes images.
        accuracies: On the validation images; None until measured.
    """

    teacher: Teacher
    network: nn.Module
    sha256: str
    network_input: NetworkInput
    accuracies: Accuracies | None = None

    def label(self, image_BCHW: Tensor) -> Tensor:
        """Logits ``(B, classes)`` for images in the form of `network_input`; constants for a loss.

        Inference mode is as fast as no_grad. Its tensors may not enter a loss, and CUDA graphs overwrite their own with
        the next call: the copy is neither's.
        """
        with torch.inference_mode():
            logits: Tensor = self.network(image_BCHW)
        return logits.clone()


def relabel_loss(
    student: nn.Module,
    student_input: NetworkInput,
    teaching: Teaching | None,
    views: Mixed,
    label_B: Tensor,
    *,
    temperature: float,
    update_batch_norm_twice: bool,
    loss: SoftLoss = "kl",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Loss of a student on one mixed batch.

    Args:
        student: In train mode.
        student_input: How it takes images.
        teaching: Who labels the images; None for their own labels, mixed.
        views: Images in [0, 1]; they are overwritten.
        label_B: *cls* of each image, int64, shape ``(B,)``; read without a teacher only.
        temperature: Softening of both softmaxes; read with a teacher only.
        update_batch_norm_twice: Run the student once more before, for its batch-norm statistics.
        loss: Of soft labels, see `soft_label_loss`.
        dtype: Of both networks' weights.

    Returns:
        Scalar loss in nats.
    """
    taught = None
    if teaching is not None and teaching.network_input != student_input:
        taught = teaching.network_input.make(views.image, dtype)  # first: the student's is made in place
    image = student_input.make_(views.image, dtype)
    if update_batch_norm_twice:
        with torch.no_grad():
            student(image)
        torch.clear_autocast_cache()  # older torch would reuse the weights cast here, which carry no gradient
    if teaching is None:
        return hard_label_loss(student(image), label_B, label_B[views.partner], views.share)
    soft = teaching.label(image if taught is None else taught)
    return soft_label_loss(student(image), soft, temperature, loss)
