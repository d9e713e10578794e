"""A `hieramp` command run for another one: it hears the signals that its parent hears, and never outlives it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from hieramp_lit.jobs import RunStoppedError, end_with_parent, requeue

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Signals that are passed on to children."""


def run_child(arguments: Sequence[str]) -> int:
    """Run a command line in a process of its own and wait for it.

    The child has its own process group, so that a signal which a terminal or a batch system sends to the whole group
    arrives once: through this process. It ends with this process in any case, after `kill -9` too.

    Args:
        arguments: What follows `hieramp`.

    Returns:
        Its exit code, up to 128.

    Raises:
        RunStoppedError: If a signal ended it, with its exit code; it has said by itself what it keeps.
    """
    received: list[signal.Signals] = []
    child: subprocess.Popen[bytes] | None = None

    def forward(signum: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(signum))
        if child is not None:
            send_signal(child, signum)

    before = {}
    if threading.current_thread() is threading.main_thread():  # elsewhere Python takes no signals
        before = {signum: signal.signal(signum, forward) for signum in FORWARDED}
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "hieramp_lit", *arguments],
            stdin=subprocess.DEVNULL,
            preexec_fn=end_with_parent,
            process_group=0,
        )
        if received:  # while it was being started
            send_signal(child, received[0])
        code = child.wait()
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    if -code == signal.SIGUSR1:  # before it could take the signal over, and ask for the same
        raise RunStoppedError(-code, f"`hieramp {arguments[0]}` was stopped while it started.", queued=requeue())
    if code < 0 or code > 128:
        number = -code if code < 0 else code - 128
        raise RunStoppedError(number, f"`hieramp {arguments[0]}` was ended by signal {number}.")
    return code


def send_signal(child: "subprocess.Popen[bytes]", signum: int) -> None:
    """Ctrl-C goes to all of the child's processes, as a terminal sends it; others it tells its processes itself."""
    if signum == signal.SIGINT and child.poll() is None:
        os.killpg(child.pid, signum)
    else:
        child.send_signal(signum)
