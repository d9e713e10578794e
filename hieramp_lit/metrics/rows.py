"""Metrics that keep what they saw, row by row, and gather the rows of all ranks.

Legend: ``B`` batch · ``D`` features of an image · ``N`` rows.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class RowMetric(Metric):
    """A metric whose states are rows of features, labels or numbers, one an image.

    Ranks may have seen different numbers of batches and images, also none: torchmetrics alone would then gather tensors
    of different types and wait for ever. An image that two ranks saw counts twice, so images must be shared out without
    the repetitions with which torch's DistributedSampler fills up. Rows are kept as they are given, not copied: whoever
    overwrites a batch of features must give a copy. They stay on their device.
    """

    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        self._empty: dict[str, Tensor] = {}

    def add_rows(self, name: str, empty: Tensor) -> None:
        """Add a state.

        Args:
            name: Of the state.
            empty: No rows, with their type and sizes: shape ``(0, …)``.
        """
        self.add_state(name, [], dist_reduce_fx="cat")
        self._empty[name] = empty

    def keep(self, name: str, row_BX: Tensor) -> None:
        """Add rows of a batch to a state."""
        getattr(self, name).append(row_BX)

    def rows(self, name: str) -> Tensor:
        """All rows of a state, shape ``(N, …)``; of all ranks within `compute`."""
        state: Tensor | list[Tensor] = getattr(self, name)
        if isinstance(state, Tensor):
            return state
        if len(state) == 1:
            return state[0]  # cat would copy it
        return torch.cat(state) if state else self._empty[name].to(self.device)

    def replace_rows(self, name: str, row_NX: Tensor) -> None:
        """Keep all rows of a state in one piece, which other metrics may share.

        Args:
            name: Of the state.
            row_NX: What `rows` gives, or the same of a metric that saw the same.

        Raises:
            ValueError: If they are not as many as the state has.
        """
        there = sum(map(len, getattr(self, name)))
        if len(row_NX) != there:
            raise ValueError(f"{len(row_NX)} rows for {name}, which has {there}: give the very same ones in one piece.")
        setattr(self, name, [row_NX])

    def sync(
        self,
        dist_sync_fn: Callable[..., Any] | None = None,
        process_group: Any | None = None,
        should_sync: bool = True,
        distributed_available: Callable[..., Any] | None = None,
    ) -> None:
        """Gather the rows of all ranks; torchmetrics calls it before `compute`."""
        for name, empty in self._empty.items():
            if isinstance(getattr(self, name), list) and not getattr(self, name):
                setattr(self, name, [empty.to(self.device)])
        super().sync(dist_sync_fn, process_group, should_sync, distributed_available)


def check_features(feature_BD: Tensor, num_features: int) -> Tensor:
    """Features that can be measured, in float32.

    Args:
        feature_BD: Shape ``(B, D)``, any float type.
        num_features: D.

    Raises:
        ValueError: If the shape is another, or a feature is NaN or infinite in float32.
    """
    if feature_BD.ndim != 2 or feature_BD.shape[1] != num_features:
        raise ValueError(
            f"Features of shape {tuple(feature_BD.shape)} received, (images, {num_features}) expected. Real and "
            "distilled images must pass through the same feature network, and num_features must say what it answers."
        )
    feature_BD = feature_BD.detach().float()
    finite_B = feature_BD.isfinite().all(dim=1)
    if not finite_B.all():
        bad = (~finite_B).nonzero().flatten().tolist()
        raise ValueError(
            f"The features of {len(bad)} of {len(feature_BD)} images of a batch are NaN or infinite, the first at "
            f"place {bad[0]}. Look at these images, and at the precision and the weights of the feature network."
        )
    return feature_BD


def check_labels(label_B: Tensor, num_classes: int, images: int) -> Tensor:
    """Labels that fit.

    Args:
        label_B: cls, int64 in ``[0, num_classes)``, shape ``(B,)``.
        num_classes: Number of classes.
        images: B.

    Raises:
        ValueError: If shape, type or a label does not fit.
    """
    if label_B.shape != (images,) or label_B.dtype != torch.int64:
        raise ValueError(
            f"Labels of shape {tuple(label_B.shape)} and type {label_B.dtype} received, ({images},) and int64 "
            "expected: one an image."
        )
    if images and not 0 <= int(label_B.min()) <= int(label_B.max()) < num_classes:
        raise ValueError(
            f"Labels from {int(label_B.min())} to {int(label_B.max())} received, there are {num_classes} classes, "
            "counted from 0. Labels are cls, places in the set's class list, not class rows."
        )
    return label_B.detach()
