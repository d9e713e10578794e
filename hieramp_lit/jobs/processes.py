"""Processes that end with the one that started them, and the cores that they have."""

import ctypes
import os
import signal

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def end_with_parent(signum: signal.Signals = signal.SIGTERM) -> None:
    """Have the system send this process a signal when its parent ends in whatever way, `kill -9` too."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signum)


def available_cores() -> int:
    """Cores that this process may use, fewer than the machine's in a container or a job."""
    return len(os.sched_getaffinity(0))
