"""Teachers: networks whose answers are the soft labels."""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hieramp_lit.checkpoints import load_strictly, read_tensors, resolve, weights_sha256
from hieramp_lit.students.create import create_student
from hieramp_lit.students.norm import Norm

PREFIXES = ("student.", "")
IMAGENET_CLASSES = 1000


class LoadedTeacher(NamedTuple):
    """A teacher ready to answer.

    Attributes:
        network: In eval mode, without gradients; maps normalized images to ``(B, classes)``.
        sha256: Of the checkpoint file, or over the tensors of published weights.
    """

    network: nn.Module
    sha256: str


@dataclass(frozen=True)
class Teacher:
    """Which network labels the images, and where its weights come from.

    Args:
        architecture: Any name that `create_student` takes; for weights of RDED's repository the `_modified` ResNets
            below 224 pixels.
        checkpoint: Weights: a path or ``asset://…``; our Lightning checkpoints and safetensors, torchvision's and
            timm's state dicts, RDED's ``{"model": …}``. Null with `pretrained`.
        pretrained: Use the library's published weights, through its own download and cache.
        norm: Normalization of the network, where it has a choice.
        num_classes: Rows of the weights' last layer. Null: as many as the set has classes, or 1000 if `pretrained` or
            `rows` are given.
        rows: Rows of the last layer to keep, in the set's class order: cuts an ImageNet-1K teacher to a subset.
        mean: Channel means that the teacher was trained with, images in [0, 1]. Null: the student's.
        std: Channel deviations likewise.

    Raises:
        ValueError: If weights are named twice or not at all.
    """

    architecture: str
    checkpoint: str | None = None
    pretrained: bool = False
    norm: Norm | None = None
    num_classes: int | None = None
    rows: tuple[int, ...] | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if (self.checkpoint is None) == (not self.pretrained):
            raise ValueError(
                f"teacher: give either checkpoint or pretrained: true, got checkpoint={self.checkpoint!r} and "
                f"pretrained={self.pretrained}. A teacher with random weights labels at random."
            )
        if self.rows is not None and (not self.rows or min(self.rows) < 0):
            raise ValueError(f"teacher.rows={self.rows}: give the rows to keep, counted from 0, or null for all.")

    def load(self, num_classes: int, image_size: int, *, key: str = "model.teacher") -> LoadedTeacher:
        """Build the network and fill it, every name and shape exactly.

        Args:
            num_classes: Classes of the set: what the network must answer.
            image_size: Side of the input in pixels.
            key: Configuration key to name in errors.

        Raises:
            FileNotFoundError: If the checkpoint does not exist.
            ValueError: If it does not fit the architecture, or answers another number of classes.
        """
        default = IMAGENET_CLASSES if self.pretrained or self.rows is not None else num_classes
        answers = self.num_classes or default
        if self.rows is not None and max(self.rows) >= answers:
            raise ValueError(f"{key}.rows: row {max(self.rows)} asked for, the last layer has {answers}.")
        kept = len(self.rows) if self.rows is not None else answers
        if kept != num_classes:
            raise ValueError(
                f"{key}: the teacher answers {kept} classes, the set has {num_classes}. Give {key}.rows, the "
                f"{num_classes} rows of its last layer in the set's class order."
            )
        network = create_student(self.architecture, answers, image_size, self.norm, self.pretrained)
        if self.checkpoint is None:
            digest = _sha256_of_tensors(network)
        else:
            path = resolve(self.checkpoint, key=f"{key}.checkpoint")
            tensors = read_tensors(path, prefixes=PREFIXES, key=f"{key}.checkpoint")
            load_strictly(network, tensors, source=str(path), key=f"{key}.checkpoint", hint=self._hint(tensors))
            digest = weights_sha256(path)
        if self.rows is not None:
            network = RowSelection(network, self.rows)
        return LoadedTeacher(network.eval().requires_grad_(False), digest)

    def _hint(self, tensors: dict[str, Tensor]) -> str:
        last = next((tensor for tensor in reversed(tensors.values()) if tensor.ndim == 2), None)
        rows = f" Its last layer has {last.shape[0]} rows." if last is not None else ""
        return (
            f"architecture={self.architecture!r} must be the one that was trained: a 7×7 stem is not a 3×3 one "
            f"(resnet18, resnet18_modified), and ConvNets depend on the image size.{rows}"
        )


class RowSelection(nn.Module):
    """Keeps some rows of a classifier's answer: the same as cutting its last layer.

    Args:
        network: Classifier.
        rows: Rows to keep, in order.
    """

    rows: Tensor

    def __init__(self, network: nn.Module, rows: tuple[int, ...]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("rows", torch.tensor(rows), persistent=False)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Give logits of the kept rows, shape ``(B, len(rows))``."""
        logits: Tensor = self.network(image_BCHW)
        return logits[:, self.rows]


def _sha256_of_tensors(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
