"""Where trials run side by side: a GPU each, or shares of the processor."""

import os
import warnings
from collections.abc import Sequence

from hieramp_lit.jobs import available_cores
from hieramp_lit.sweeps.process import Slot


def gpu_slots(names: Sequence[str] | None) -> list[Slot]:
    """A slot a GPU.

    Args:
        names: As CUDA_VISIBLE_DEVICES names them; None for all that this process sees.

    Returns:
        One slot a GPU; where there is none and none is named, one slot with all cores.

    Raises:
        ValueError: If a GPU comes twice.
    """
    if names is None:
        names = _visible_gpus()
        if not names:
            return worker_slots(1)
    if len(set(names)) < len(names):
        raise ValueError(f"--gpus {' '.join(names)}: a GPU comes twice. Give each once; a trial takes one alone.")
    threads = str(max(1, available_cores() // len(names)))
    return [Slot(f"GPU {name}", {"CUDA_VISIBLE_DEVICES": name, "OMP_NUM_THREADS": threads}) for name in names]


def worker_slots(workers: int) -> list[Slot]:
    """Slots on the processor, which share its cores.

    Args:
        workers: Trials side by side.
    """
    threads = str(max(1, available_cores() // workers))
    environment = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": threads}
    return [Slot(f"{threads} threads" if workers == 1 else f"worker {index}", environment) for index in range(workers)]


def _visible_gpus() -> list[str]:
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()]
    import torch  # takes seconds, and is asked last

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a driver that is too old shows in the trials, which name it
        return [str(index) for index in range(torch.cuda.device_count())]
