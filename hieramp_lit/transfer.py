"""Small tensors from the host to a device, without making the host wait for the device."""

import torch
from torch import Tensor


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a CPU tensor to a device; on CUDA the copy is queued behind the device's work.

    Torch waits for the device after a copy from ordinary memory, and the device then runs dry.

    Args:
        tensor: On the CPU, or on `device` already.
        device: Where to.

    Returns:
        The tensor itself where it is on `device`.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
