"""Rows of VAR's label embedding for another number of classes than the file has: kept, or made anew from their mean.

Legend: ``N`` classes of the file · ``M`` classes of the model · ``C`` width.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

LabelRows = Literal["keep", "new"]
EMBEDDING = "class_emb.weight"
HEAD = "class_head."


def with_label_rows(tensors: Mapping[str, Tensor], num_classes: int, label_rows: LabelRows) -> dict[str, Tensor]:
    """The tensors of a VAR with as many classes as a model has.

    The label embedding, ``(N + 1, C)``, becomes ``(M + 1, C)``: with `keep` the file's N class rows, then M − N times
    their mean; with `new` M times their mean. The last row, "unconditional", stays what it is and stays last. A class
    head, if the file has one, is treated alike: weights and biases of new classes are the mean over those of the file,
    so that a new class starts as likely as an average one.

    Args:
        tensors: State dict of the file.
        num_classes: Classes of the model, ``M``.
        label_rows: Keep the file's class rows, or replace all of them.

    Returns:
        A copy; with `keep` and as many classes, the same tensors.

    Raises:
        ValueError: If rows are to be kept and the model has fewer than the file.
    """
    of_file = len(tensors[EMBEDDING]) - 1
    kept = of_file if label_rows == "keep" else 0
    if kept > num_classes:
        raise ValueError(
            f"the file has {of_file} classes, the model {num_classes}: cutting rows off would leave each class on the "
            f"row of another. Set num_classes: {of_file}; a subset keeps its rows of them. Or set label_rows: new, to "
            "start all classes from the mean of the file's and keep the unconditional row."
        )
    changed = dict(tensors)
    changed[EMBEDDING] = torch.cat(
        [_resized(tensors[EMBEDDING][:of_file], kept, num_classes), tensors[EMBEDDING][of_file:]]
    )
    for name, tensor in tensors.items():
        if name.startswith(HEAD):
            changed[name] = _resized(tensor, kept, num_classes)
    return changed


def _resized(rows: Tensor, kept: int, number: int) -> Tensor:
    """The first rows, then the mean of all, up to `number`."""
    mean = rows.double().mean(dim=0, keepdim=True).to(rows.dtype)
    return torch.cat([rows[:kept], mean.expand(number - kept, *rows.shape[1:])])
