"""What a measurement ran on: device, precision, versions, and how fast this machine multiplies matrices."""

import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from hieramp_lit.jobs import available_cores

PACKAGES = ("torchvision", "lightning", "timm", "numpy")
_CPU_INFO = Path("/proc/cpuinfo")
MATMUL_SIDE = {"cpu": 2048, "cuda": 8192}


def describe(device: torch.device) -> dict[str, Any]:
    """Machine and versions as plain values."""
    return {
        "device": device_name(device),
        "cores": available_cores(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "versions": {"torch": torch.__version__} | {package: version(package) for package in PACKAGES},
    }


def device_name(device: torch.device) -> str:
    """Name of the GPU, or of the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def matmul_rate(device: torch.device, dtype: torch.dtype, seconds: float = 1.0) -> float:
    """Floating-point operations per second of large square matrix products: the rate to measure others against.

    Args:
        device: Where to multiply.
        dtype: Of both matrices.
        seconds: How long to go on; the fastest product counts.
    """
    side = MATMUL_SIDE.get(device.type, MATMUL_SIDE["cuda"])
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    fastest = float("inf")
    end = time.perf_counter() + seconds
    while fastest == float("inf") or time.perf_counter() < end:
        start = time.perf_counter()
        left @ right
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        fastest = min(fastest, time.perf_counter() - start)
    return 2 * side**3 / fastest


def chosen_device(name: str) -> torch.device:
    """Device of a name; ``auto`` is the first GPU where there is one, else the CPU.

    Raises:
        ValueError: If there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"--device {name}: expected cpu, cuda, cuda:1 …") from error
    if device.type not in MATMUL_SIDE or (device.type == "cuda" and not torch.cuda.is_available()):
        raise ValueError(f"--device {name}: torch {torch.__version__} has no such device here.")
    return device
