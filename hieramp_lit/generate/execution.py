"""How a generator's work is executed on its device: compiled or not, and as a CUDA graph.

`none` is eager. `default` and `max-autotune` pass through torch.compile: one graph serves all blocks and another the
decoder, made at the first batch, which takes a minute or more. `cuda-graphs` records the eager kernels of all scales of
a batch once and replays them, which removes the launch overhead that small batches spend most of their time on; the
decoder's few kernels stay as they are.
"""

from collections.abc import Callable
from typing import Literal, ParamSpec, TypeVar, get_args

import torch

Compile = Literal["none", "default", "max-autotune", "cuda-graphs"]
COMPILE_MODES: tuple[Compile, ...] = get_args(Compile)
WARM_UPS = 3

P = ParamSpec("P")
R = TypeVar("R")


def check_compile(mode: str, key: str = "compile") -> None:
    """Refuse a mode that does not exist.

    Raises:
        ValueError: Naming the modes that do.
    """
    if mode not in COMPILE_MODES:
        raise ValueError(f"{key}={mode!r}: expected one of {', '.join(COMPILE_MODES)}.")


def compiled(function: Callable[P, R], mode: Compile) -> Callable[P, R]:
    """The function as `mode` wants it; CUDA graphs record more than one function and leave each as it is."""
    if mode in ("none", "cuda-graphs"):
        return function
    chosen = "max-autotune-no-cudagraphs" if mode == "max-autotune" else mode
    made: Callable[P, R] = torch.compile(function, mode=chosen)
    return made


class CudaGraph:
    """A function of fixed tensors, recorded at the first call and replayed at all others.

    The function reads and writes tensors that stay where they are, takes nothing, returns nothing and never waits for
    the device.

    Args:
        function: What to record.
        device: A CUDA device.

    Raises:
        ValueError: If the device is not CUDA.
    """

    def __init__(self, function: Callable[[], None], device: torch.device) -> None:
        if device.type != "cuda":
            raise ValueError(f"compile='cuda-graphs' needs a CUDA device, the model is on {device}: use 'none'.")
        self._function = function
        self._device = device
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        """Record first, then replay."""
        if self._graph is None:
            self._graph = self._record()
        self._graph.replay()

    def _record(self) -> torch.cuda.CUDAGraph:
        aside = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(aside):  # libraries choose their kernels and workspaces outside of the recording
            for _ in range(WARM_UPS):
                self._function()
        torch.cuda.current_stream(self._device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self._device), torch.cuda.graph(graph, stream=aside):
            self._function()
        return graph
