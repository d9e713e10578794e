"""What libraries raise is recognized by what it says."""

import signal

import pytest
import torch

from hieramp_lit.jobs import RunStoppedError, is_lost_peer, is_out_of_memory, signal_name


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
    ids=["cuda", "cpu", "cublas", "python"],
)
def test_too_little_memory(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_lost_peer(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:1"),
        torch.distributed.DistBackendError("NCCL communicator was aborted on rank 0."),
    ],
    ids=["gloo", "nccl"],
)
def test_another_process_is_gone(error: Exception) -> None:
    assert is_lost_peer(error)
    assert not is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), ValueError("out of memory"), OSError("Broken pipe")])
def test_other_errors_are_neither(error: Exception) -> None:
    assert not is_lost_peer(error)
    assert not is_out_of_memory(error)


def test_exit_codes_are_those_of_shells() -> None:
    for signum, code, name in ((signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")):
        assert RunStoppedError(signum, "stopped").exit_code == code
        assert signal_name(signum) == name
    assert RunStoppedError(signal.SIGTERM, "").exit_code == 0  # ranks that leave the talking to rank 0
