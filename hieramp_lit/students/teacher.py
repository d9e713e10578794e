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
        checkpoint: Weights: a path, ``hf://…`` or ``asset://…``; our Lightning checkpoints and safetensors,
            torchvision's and timm's state dicts, RDED's ``{"model": …}``. Null with `pretrained`.
        pretrained: Use the library's published weights, through its own download and cache.
        norm: Normalization of the network, where it has a choice.
        num_classes: Rows of the weights' last layer. Null: as many as the set has classes; with `pretrained` 1000, with
            `rows` as many as the file has.
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
        answers = self.answers(key=key) if self.pretrained or self.rows is not None else self.num_classes or num_classes
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
            self._fill(network, self.checkpoint, f"{key}.checkpoint")
            digest = weights_sha256(resolve(self.checkpoint, key=f"{key}.checkpoint"))
        if self.rows is not None:
            network = RowSelection(network, self.rows)
        return LoadedTeacher(network.eval().requires_grad_(False), digest)

    def load_whole(self, image_size: int, *, key: str = "model.teacher") -> nn.Module:
        """The network with all rows that its weights have, whatever `rows` says; in eval mode, without gradients.

        Raises:
            FileNotFoundError: If the checkpoint does not exist.
            ValueError: If it is no classifier, or does not fit the architecture.
        """
        answers = self.answers(key=key)
        network = create_student(self.architecture, answers, image_size, self.norm, self.pretrained)
        if self.checkpoint is not None:
            self._fill(network, self.checkpoint, f"{key}.checkpoint")
        return network.eval().requires_grad_(False)

    def answers(self, *, key: str = "model.teacher") -> int:
        """Rows of the last layer: as given, of the file, or of the weights that the library publishes.

        Raises:
            FileNotFoundError: If the checkpoint does not exist.
            ValueError: If it is no classifier.
        """
        if self.num_classes is not None:
            return self.num_classes
        if self.checkpoint is None:
            return IMAGENET_CLASSES
        path = resolve(self.checkpoint, key=f"{key}.checkpoint")
        rows = _rows_of_last_layer(read_tensors(path, prefixes=PREFIXES, key=f"{key}.checkpoint"))
        if rows is None:
            raise ValueError(f"{key}.checkpoint: {path} has no matrix for a last layer, so it is no classifier.")
        return rows

    def _fill(self, network: nn.Module, checkpoint: str, key: str) -> None:
        path = resolve(checkpoint, key=key)
        tensors = read_tensors(path, prefixes=PREFIXES, key=key)
        load_strictly(network, tensors, source=str(path), key=key, hint=self._hint(tensors))

    def _hint(self, tensors: dict[str, Tensor]) -> str:
        number = _rows_of_last_layer(tensors)
        rows = f" Its last layer has {number} rows." if number is not None else ""
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


def _rows_of_last_layer(tensors: dict[str, Tensor]) -> int | None:
    last = next((tensor for tensor in reversed(tensors.values()) if tensor.ndim == 2), None)
    return None if last is None else len(last)


def _sha256_of_tensors(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
