"""A stage's folder is made by one process at a time: others wait, on this machine and on others."""

import errno
import fcntl
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_HELD = {errno.EAGAIN, errno.EACCES}
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_POLL = 0.5  # seconds


@contextmanager
def alone(path: Path, waiting: Callable[[str], None], check: Callable[[], None]) -> Iterator[int]:
    """Hold a file's advisory lock (`flock`); wait for as long as another process holds it.

    The system frees the lock when the last process that has the file open ends, by ``kill -9`` too. The file stays: who
    removed it would free it for some and not for others.

    Args:
        path: File to lock; its folder is created.
        waiting: Called once, with who holds the lock, before waiting begins.
        check: Called while waiting, twice a second; what it raises ends the waiting.

    Yields:
        The file's descriptor. A child process that is given it holds the lock as well, until it ends.

    Raises:
        OSError: If the file cannot be written. Where the file system has no locks, a warning says so instead.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)  # NFS locks alone only what is open for writing
    try:
        told = False
        while not _lock(descriptor, path):
            if not told:
                waiting(_holder(path))
                told = True
            check()
            time.sleep(_POLL)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {platform.node()}".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        if error.errno not in _NO_LOCKS:
            raise
        warnings.warn(
            f"{path} cannot be locked ({error.strerror}; its file system has no locks). Take care that no other "
            "command makes the same stage at the same time.",
            stacklevel=2,
        )
    return True


def _holder(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace") or "another process"
    return "another process"
