"""Runs that kill themselves with SIGKILL at a chosen moment, in a process of their own."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from tests.shards.making import NoiseGenerator, make_set

ROOT = Path(__file__).parents[2]

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.callbacks.killing"])  # imports torch and Lightning once for all runs


def run_and_kill(
    folder: Path, *, file_operation: int | None = None, call: int | None = None, images_per_class: int = 2
) -> int | None:
    """Make the set of `make_set` and die before a file operation in the folder or before a call of the generator.

    Args:
        folder: The set.
        file_operation: Number of the opening for writing, renaming or removing to die before.
        call: Number of the generator's call to die in.
        images_per_class: IPC.

    Returns:
        The exit code: ``-SIGKILL`` if the run was killed, 0 if it ended before that.
    """
    return run_apart(_run, str(folder), file_operation, call, images_per_class)


def run_apart(target: Callable[..., None], *arguments: object) -> int | None:
    """Call a function of an importable module in a process of its own, and return the exit code."""
    process = _processes.Process(target=target, args=arguments)
    with mock.patch.dict(os.environ, PYTHONPATH=str(ROOT)):  # older servers import from there alone
        process.start()
    process.join()
    return process.exitcode


def die_before_file_operation(folder: str, number: int | None) -> None:
    """Have this process kill itself before its n-th opening for writing, renaming or removing in a folder."""
    count = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event not in {"open", "os.rename", "os.remove"} or not str(arguments[0]).startswith(folder):
            return
        if event == "open" and not int(arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
            return
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    sys.addaudithook(watch)


def _run(folder: str, file_operation: int | None, call: int | None, images_per_class: int) -> None:
    die_before_file_operation(folder, file_operation)
    make_set(Path(folder), NoiseGenerator(kill_at=call), images_per_class=images_per_class, save_saliency=True)
