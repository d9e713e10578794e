"""Where the time of a batch goes: the operators that torch's profiler sees, sorted into a few kinds."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from hieramp_lit.bench.measure import wait_for

LAUNCHING = "Python, launches and the profiler itself"
OTHER = "other operators"
KINDS = {
    "matrix products of the transformer": r"_linear_pointwise|addmm|aten::(mm|linear)$|gemm|cutlass|nvjet",
    "attention": r"bmm|softmax|attention|flash|fmha",
    "convolutions": r"conv|upsample|cudnn|implicit",
    "norms, modulations and activations": r"norm|silu|gelu|addcmul|aten::(add|mul|sub|div)_?$|elementwise",
    "guidance, filtering and drawing": r"topk|sort|cumsum|searchsorted|gather|fill_|exp_|aten::(lt|gt|amax|sum)$|scan",
    "copies and casts": r"copy_|aten::cat$|clone|constant_pad|memcpy|memset",
}
"""Kind → pattern of operator names (CPU) and kernel names (CUDA); the first that fits counts."""


@dataclass(frozen=True)
class Shares:
    """How one run's time is shared out.

    Attributes:
        title: What ran.
        work: Units of work of the run.
        seconds: Time of each kind, the longest first.
        limit_s: What all matrix products and convolutions would take at the machine's rate of large products.
    """

    title: str
    work: float
    seconds: dict[str, float]
    limit_s: float

    @property
    def total_s(self) -> float:
        """Time of the run."""
        return sum(self.seconds.values())

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"title": self.title, "work": self.work, "seconds": self.seconds, "limit_s": self.limit_s}


def shares(title: str, run: Callable[[], object], work: float, limit_s: float, device: torch.device) -> Shares:
    """Profile one run; run it before, so that nothing is made for the first time.

    Args:
        title: What runs.
        run: Does the work once.
        work: Units of work of a run.
        limit_s: See `Shares`.
        device: On CUDA the time of kernels counts, on the CPU that of operators.
    """
    cuda = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as profiler:
        wait_for(device)
        start = time.perf_counter()
        run()
        wait_for(device)
        whole = time.perf_counter() - start
    found = dict.fromkeys([*KINDS, OTHER], 0.0)
    for event in profiler.key_averages():
        microseconds = event.self_device_time_total if cuda else event.self_cpu_time_total
        found[kind_of(event.key)] += microseconds / 1e6
    found[LAUNCHING] = max(0.0, whole - sum(found.values()))
    return Shares(title, work, dict(sorted(found.items(), key=lambda item: -item[1])), limit_s)


def kind_of(operator: str) -> str:
    """Kind of an operator or kernel, by its name."""
    fitting = (kind for kind, pattern in KINDS.items() if re.search(pattern, operator, re.IGNORECASE))
    return next(fitting, OTHER)
