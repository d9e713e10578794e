"""Optimizers of students: which parameters decay, and AdamW or SGD over them."""

from typing import Any, Literal

import torch
from torch import nn

OptimizerName = Literal["adamw", "sgd"]
Decayed = Literal["weights", "all"]


def parameter_groups(student: nn.Module, weight_decay: float, decayed: Decayed = "weights") -> list[dict[str, Any]]:
    """Split parameters by whether they decay.

    Args:
        student: Network.
        weight_decay: Decay of the first group.
        decayed: ``weights``: tensors with ``weight`` in the name and more than one dimension, and no others. As in
            RDED's loop the word may stand anywhere: attention's ``in_proj_weight`` decays too. ``all``: everything.

    Returns:
        Two groups, decayed and not, in the order of `named_parameters`; with ``all`` the first alone.
    """
    if decayed == "all":
        return [{"params": list(student.parameters()), "weight_decay": weight_decay}]
    decaying: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in student.named_parameters():
        (decaying if "weight" in name and parameter.ndim > 1 else plain).append(parameter)
    return [{"params": decaying, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def make_optimizer(
    name: OptimizerName,
    groups: list[dict[str, Any]],
    lr: float,
    *,
    betas: tuple[float, float],
    momentum: float,
    fused: bool = True,
) -> torch.optim.Optimizer:
    """Build the optimizer.

    Args:
        name: ``adamw`` or ``sgd``.
        groups: From `parameter_groups`.
        lr: Initial learning rate.
        betas: β₁ and β₂. Read by ``adamw`` only.
        momentum: Read by ``sgd`` only; without Nesterov's step.
        fused: One pass over the memory; equal to rounding.
    """
    if name == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=momentum, fused=fused)
    return torch.optim.AdamW(groups, lr=lr, betas=betas, fused=fused)
