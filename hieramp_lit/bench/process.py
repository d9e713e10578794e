"""A candidate in a process of its own, so that what others ask of their process does not reach it."""

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType

import torch

from hieramp_lit.bench.measure import peak_memory, reset_peak_memory, wait_for

Make = Callable[[], Callable[[], object]]


class OwnProcess:
    """Runs a function in a fresh process, each time it is called; a context manager that ends the process.

    Args:
        make: Called once over there; makes the function. Must be picklable.
        device: Where the function works.

    Attributes:
        peak_bytes: Highest memory of the last run, over there.
    """

    def __init__(self, make: Make, device: torch.device) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(make, device, there), daemon=True)
        self._process.start()
        there.close()
        self.peak_bytes: int | None = None

    def __enter__(self) -> "OwnProcess":
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join()

    def __call__(self) -> None:
        """Run once and wait for it.

        Raises:
            RuntimeError: If it failed; with the trace from over there.
            torch.OutOfMemoryError: If it had too little memory there.
        """
        self._pipe.send(None)
        try:
            failure, too_large, self.peak_bytes = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(f"The process to measure ended with exit code {self._process.exitcode}.") from None
        if failure is not None:
            kind = torch.OutOfMemoryError if too_large else RuntimeError
            raise kind(f"The process to measure failed:\n{failure}")


def _serve(make: Make, device: torch.device, pipe: Connection) -> None:
    run: Callable[[], object] | None = None
    while True:
        try:
            pipe.recv()
        except EOFError:  # the other side closed
            return
        failure, too_large = None, False
        reset_peak_memory(device)
        try:
            run = run or make()
            run()
            wait_for(device)
        except Exception as error:  # whatever it is, the other side raises it
            failure, too_large = traceback.format_exc(), isinstance(error, torch.OutOfMemoryError)
        pipe.send((failure, too_large, peak_memory(device)))
