"""A process that dies while it writes a checkpoint over an older one."""

import os
import signal
from pathlib import Path
from typing import Any

import torch

from hieramp_lit.trainer import WholeCheckpointIO
from tests.callbacks.killing import die_before_file_operation, run_apart


class Deadly:
    """Kills the process that pickles it."""

    def __reduce__(self) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("it lives")


def content(value: float) -> dict[str, Any]:
    """A checkpoint of half a megabyte."""
    return {"state_dict": {"weight": torch.full((128, 1024), value)}, "step": value}


def write_and_kill(path: Path, file_operation: int | None) -> int | None:
    """Write ``content(2)`` and die before a file operation in the folder, or in the middle of the file."""
    return run_apart(_write, str(path), file_operation)


def _write(path: str, file_operation: int | None) -> None:
    die_before_file_operation(str(Path(path).parent), file_operation)
    checkpoint = content(2.0) if file_operation is not None else {**content(2.0), "last": Deadly()}
    WholeCheckpointIO().save_checkpoint(checkpoint, path)
