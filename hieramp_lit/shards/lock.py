"""One command at a time in a set's folder: a lock that the system releases when its holders end, however they end."""

import errno
import fcntl
import os
import platform
import warnings
from contextlib import suppress
from pathlib import Path

from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.format import LOCK
from hieramp_lit.shards.write_errors import READ_ONLY

_HELD = {errno.EAGAIN, errno.EACCES}
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_CLOSED = -1


class FolderLock:
    """A hold on the folder of a set, for one command with any number of processes.

    Every rank holds the same advisory lock (`flock`) in shared mode, and rank 0 first asks for it alone. So the ranks
    of one command work side by side, and a second command is refused as long as any of them lives. The system lets go
    when a process ends, by ``kill -9`` too: a left-over file locks nothing. Other hosts are refused as well where the
    file system shares locks (NFS does). Where it has no locks, a warning says so and nothing is refused.

    Args:
        folder: The set's folder; created when it does not exist.
        first: Ask for the folder alone (rank 0, before it writes), or join rank 0, which holds it.
        key: Configuration key or argument to name in errors.

    Raises:
        ShardError: If another command holds the folder; the message names its process and host.
        OSError: If the folder cannot be written.
    """

    def __init__(self, folder: Path, *, first: bool, key: str = "model.output") -> None:
        self._key = key
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / LOCK
        self._descriptor = self._open()
        try:
            if first:
                self._lock_alone()
            self._lock(fcntl.LOCK_SH)
        except OSError as error:
            self._close()
            if error.errno in _HELD:
                raise ShardError(self._refusal()) from error
            if error.errno not in _NO_LOCKS:
                raise
            self._path.unlink(missing_ok=True)
            if first:
                warnings.warn(
                    f"{folder} cannot be locked ({error.strerror}; its file system has no locks). Take care that no "
                    "other command writes to it.",
                    stacklevel=2,
                )
        # A worker process of a data loader outlives a killed rank by seconds, and must not hold the folder meanwhile.
        os.register_at_fork(after_in_child=self._close)

    def release(self) -> None:
        """Let go, and remove the file unless another rank still holds it. Harmless when called twice."""
        if self._descriptor == _CLOSED:
            return
        with suppress(OSError):  # of a rank that still works, or of the next command: they remove the file
            self._lock(fcntl.LOCK_EX)
            if self._is_current():
                self._path.unlink()
        self._close()

    def _lock_alone(self) -> None:
        self._lock(fcntl.LOCK_EX)
        while not self._is_current():  # the last holder removed the file after it was opened here
            self._close()
            self._descriptor = self._open()
            self._lock(fcntl.LOCK_EX)
        os.truncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"process {os.getpid()} on {platform.node()}".encode(), 0)

    def _lock(self, mode: int) -> None:
        fcntl.flock(self._descriptor, mode | fcntl.LOCK_NB)

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)  # NFS locks alone only what is open for writing

    def _close(self) -> None:
        if self._descriptor != _CLOSED:
            os.close(self._descriptor)
            self._descriptor = _CLOSED

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except FileNotFoundError:
            return False

    def _refusal(self) -> str:
        holder = ""
        with suppress(OSError):
            holder = self._path.read_text(encoding="utf-8", errors="replace")
        return (
            f"{self._key}={str(self._path.parent)!r} is being written by another command"
            f"{f' ({holder}, or what it started)' if holder else ''}. Wait until it ends, or stop all its processes; "
            f"or give another `{self._key}`."
        )


def join_folder(folder: Path, *, writes: bool) -> FolderLock | None:
    """Hold a folder beside rank 0, which holds it already.

    Args:
        folder: Of a set or token cache.
        writes: Whether anything is still to be written to it.

    Returns:
        None on a read-only disk where nothing is to be written.

    Raises:
        OSError: If the folder cannot be written and must be.
    """
    try:
        return FolderLock(folder, first=False)
    except OSError as error:
        if writes or error.errno not in READ_ONLY:
            raise
        return None
