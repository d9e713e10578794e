"""How runs end early: what is raised, and how to recognize what libraries raise."""

import signal

_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "STATUS_ALLOC_FAILED")
_LOST = ("closed by peer", "reset by peer", "Broken pipe", "gloo/transport", "NCCL", "Connection refused", "TCPStore")
_OF_DISTRIBUTED = {"DistBackendError", "DistNetworkError", "DistStoreError", "DistError"}


class RunStoppedError(RuntimeError):
    """A signal ended a run, cleanly: everything worth keeping is on disk.

    Args:
        signum: The signal.
        message: What was kept and how to go on; empty on ranks that leave the talking to rank 0.
        checkpoint: What a fit has saved.
        queued: What came of putting a SLURM job back into the queue; a sentence.

    Attributes:
        exit_code: 128 + the signal's number, as shells count: 130 Ctrl-C, 143 SIGTERM, 138 SIGUSR1. Other ranks than 0
            end with 0: the launcher would take another code for a crash and kill rank 0.
    """

    def __init__(self, signum: int, message: str, checkpoint: str | None = None, queued: str = "") -> None:
        super().__init__(f"{message} {queued}".rstrip())
        self.signum = signum
        self.checkpoint = checkpoint
        self.queued = queued
        self.exit_code = 128 + signum if message else 0


class NonFiniteError(RuntimeError):
    """A training went wrong numerically: a loss or a weight is infinite or not a number."""


def signal_name(signum: int) -> str:
    """The name that users know a signal by."""
    return "Ctrl-C" if signum == signal.SIGINT else signal.Signals(signum).name


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or the host had no memory left."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)
    )


def is_lost_peer(error: BaseException) -> bool:
    """Whether this process failed because another one of its run was gone."""
    return type(error).__name__ in _OF_DISTRIBUTED or (
        type(error) is RuntimeError and any(words in str(error) for words in _LOST)
    )
