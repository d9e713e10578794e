"""Several real processes that are the ranks of one run: gloo on the CPU, traffic to this machine alone."""

import multiprocessing
import os
import pickle
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).parents[2]

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.devices.ranks", "hieramp_lit.lightning_cli"])  # imported once for all runs


class Ranks:
    """Processes that each call the same function; they inherit what a launcher such as torchrun would tell them.

    Args:
        folder: Where each rank works, and leaves ``rank-N.out`` with what it wrote and ``rank-N.result``.
        target: Function of an importable module.
        arguments: For it.
        count: Number of ranks.
        environment: Variables that the processes get besides.
    """

    def __init__(
        self,
        folder: Path,
        target: Callable[..., Any],
        *arguments: object,
        count: int = 1,
        environment: dict[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        port = _free_port()
        with mock.patch.dict(os.environ, PYTHONPATH=str(ROOT)):  # older servers import from there alone
            self.processes = [
                _processes.Process(
                    target=_run, args=(str(folder), rank, count, port, environment or {}, target, arguments)
                )
                for rank in range(count)
            ]
            for process in self.processes:
                process.start()

    def join(self, seconds: float = 60.0) -> list[int | None]:
        """Wait for all, and return their exit codes.

        Raises:
            TimeoutError: If one still runs after `seconds`; all are killed then.
        """
        until = time.monotonic() + seconds
        for process in self.processes:
            process.join(max(0.0, until - time.monotonic()))
        hanging = [rank for rank, process in enumerate(self.processes) if process.exitcode is None]
        for process in self.processes:
            process.kill()
            process.join()
        if hanging:
            raise TimeoutError(f"ranks {hanging} still ran after {seconds} s:\n{self.said()}")
        return [process.exitcode for process in self.processes]

    def said(self, rank: int | None = None) -> str:
        """What a rank, or all ranks, wrote to stdout and stderr."""
        ranks = range(len(self.processes)) if rank is None else [rank]
        files = [self.folder / f"rank-{r}.out" for r in ranks]
        return "".join(file.read_text() for file in files if file.is_file())

    def results(self) -> list[Any]:
        """What the functions returned."""
        return [pickle.loads((self.folder / f"rank-{rank}.result").read_bytes()) for rank in range(len(self.processes))]


def on_ranks(folder: Path, target: Callable[..., Any], *arguments: object, count: int = 2) -> list[Any]:
    """Call a function on several ranks, and return what it returned on each; all must succeed."""
    ranks = Ranks(folder, target, *arguments, count=count)
    codes = ranks.join()
    assert codes == [0] * count, ranks.said()
    return ranks.results()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(
    folder: str,
    rank: int,
    count: int,
    port: int,
    environment: dict[str, str],
    target: Callable[..., Any],
    arguments: tuple[object, ...],
) -> None:
    out = os.open(f"{folder}/rank-{rank}.out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.chdir(folder)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo", OMP_NUM_THREADS="1")
    if count > 1:
        os.environ.update(LOCAL_RANK=str(rank), NODE_RANK="0")
    os.environ.update(environment)
    import torch

    torch.set_num_threads(1)
    try:
        result = target(*arguments)
    except SystemExit:
        raise
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    Path(folder, f"rank-{rank}.result").write_bytes(pickle.dumps(result))
