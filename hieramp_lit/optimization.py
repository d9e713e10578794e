"""How parameters are optimized: learning rates and weight-decay groups, as pure functions."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

FUSED_ON = {"cpu", "cuda"}
"""Devices whose fused AdamW is tested here."""


def lin0(
    step: int, total_steps: int, warmup: float = 0.02, start: float = 0.005, flat: float = 0.05, end: float = 0.1
) -> float:
    """Factor on the peak learning rate: the schedule `lin0` of VAR and HIERAMP (reference §2).

    Warm-up in a straight line from `start` over the first ``round(warmup · total_steps)`` steps (the published runs:
    epochs / 50, so one fiftieth). Of what follows the first `flat` share runs at the peak; then the factor is
    ``end + (1 − end) · (1 − p) / (1 − flat)``, p being the share done, 1 at the last step. It reaches `end` there.

    Args:
        step: Optimizer steps done, from 0. Past the end the factor stays `end`.
        total_steps: Optimizer steps of the whole run.
        warmup: Share of the run that warms up, from 0 (none) to below 1.
        start: Factor at step 0 where there is a warm-up.
        flat: Share of what follows that stays at the peak, from 0 to below 1.
        end: Factor at the last step.

    Raises:
        ValueError: If `total_steps` is below 1, or a share is out of range.
    """
    if total_steps < 1 or not 0 <= warmup < 1 or not 0 <= flat < 1:
        raise ValueError(
            f"lin0: total_steps={total_steps}, warmup={warmup}, flat={flat}; expected one step or more, and shares of "
            "0 or more, below 1."
        )
    warmup_steps = round(warmup * total_steps)
    if step < warmup_steps:
        return start + (1 - start) * step / warmup_steps
    following = max(total_steps - 1 - warmup_steps, 1)
    done = min((step - warmup_steps) / following, 1.0)
    if done < flat:
        return 1.0
    return end + (1 - end) * (1 - done) / (1 - flat)


def scaled_learning_rate(base: float, global_batch_size: int, reference_batch_size: int = 256) -> float:
    """``base · global batch / 256``: `base` is the rate for 256 images per optimizer step (reference §2)."""
    return base * global_batch_size / reference_batch_size


def accumulation(global_batch: int, batch_size: int, devices: int) -> int:
    """Batches that each device accumulates for one optimizer step of `global_batch` images.

    The one rule of batches: ``global batch = data.batch_size × devices × accumulation``. `data.batch_size` is what fits
    into a device's memory, `model.global_batch` is science, and the accumulation follows. The learning rate follows the
    global batch (`scaled_learning_rate`), the schedule counts optimizer steps; so a run is the same on any devices.

    Args:
        global_batch: Images per optimizer step.
        batch_size: Images per batch and device, ``data.batch_size``.
        devices: Over all nodes.

    Raises:
        ValueError: If they do not divide; names the three numbers.
    """
    at_once = batch_size * devices
    if global_batch < at_once or global_batch % at_once:
        fitting = [size for size in range(1, global_batch // devices + 1) if global_batch % (size * devices) == 0]
        remedy = (
            f"With {devices} device(s) `data.batch_size` may be {', '.join(map(str, fitting[-12:]))}."
            if fitting
            else f"No `data.batch_size` divides it by {devices}: take another number of devices."
        )
        raise ValueError(
            f"model.global_batch={global_batch} is no multiple of data.batch_size={batch_size} × {devices} device(s) = "
            f"{at_once}. {remedy}"
        )
    return global_batch // at_once


def weight_decay_groups(
    named_parameters: Iterable[tuple[str, nn.Parameter]], no_weight_decay: set[str], weight_decay: float
) -> list[dict[str, Any]]:
    """Parameter groups for an optimizer: those that decay, then those that do not; frozen ones are left out.

    Args:
        named_parameters: All parameters of a network.
        no_weight_decay: Names of those without decay.
        weight_decay: For the others, 0 or more.

    Returns:
        One or two groups, each with ``params`` and ``weight_decay``; an empty one is left out.

    Raises:
        ValueError: If nothing is trainable.
    """
    trainable = [(name, parameter) for name, parameter in named_parameters if parameter.requires_grad]
    if not trainable:
        raise ValueError("There is nothing to train: every parameter is frozen. Check `model.trainable`.")
    decayed = [parameter for name, parameter in trainable if name not in no_weight_decay]
    others = [parameter for name, parameter in trainable if name in no_weight_decay]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def adamw(groups: list[dict[str, Any]], lr: float, betas: tuple[float, float], fused: bool = True) -> torch.optim.AdamW:
    """AdamW, fused into one pass over the memory where the device can.

    Fused and plain steps are equal to float32 rounding, and either goes on from the other's state.

    Args:
        groups: From `weight_decay_groups`.
        lr: Learning rate.
        betas: Decay of the two moments.
        fused: Fuse where all parameters are floating-point numbers on a device of `FUSED_ON`.
    """
    parameters = [parameter for group in groups for parameter in group["params"]]
    can = all(parameter.is_floating_point() and parameter.device.type in FUSED_ON for parameter in parameters)
    return torch.optim.AdamW(groups, lr=lr, betas=betas, fused=True if fused and can else None)
