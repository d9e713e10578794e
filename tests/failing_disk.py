"""A disk that fails: file operations below a folder raise an error of the operating system.

The interpreter asks an audit hook before it opens, renames or removes anything; the hook's exception takes the
operation's place. A hook cannot be removed, so there is one, which does nothing while no disk fails. It is not asked
before bytes are written: `full_within_a_file` has the system refuse those.
"""

import errno
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CREATING = {"os.rename", "os.mkdir", "os.truncate"}
_REMOVING = {"os.remove", "os.rmdir"}


class FailingDisk:
    """Counts the operations that write below a folder, and fails from one of them on.

    Attributes:
        count: Operations so far.
        failed: Whether one failed.
    """

    def __init__(self, folder: Path, code: int, first: int) -> None:
        self._folder = str(folder)
        self._code = code
        self._first = first
        self.count = 0
        self.failed = False

    def watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        writes = event in _CREATING or (event in _REMOVING and self._code != errno.ENOSPC)
        if event == "open":
            writes = bool(int(arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR))
        if not writes or not str(arguments[0]).startswith(self._folder):
            return
        self.count += 1
        if self.count > self._first:
            self.failed = True
            raise OSError(self._code, os.strerror(self._code), str(arguments[0]))


_failing: list[FailingDisk] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    for disk in _failing:
        disk.watch(event, arguments)


sys.addaudithook(_hook)


@contextmanager
def failing_disk(folder: Path, code: int, first: int = 0) -> Iterator[FailingDisk]:
    """Let what is written below a folder fail.

    Args:
        folder: The folder, itself included.
        code: ``errno`` to fail with. With ENOSPC, removing goes on working, as on a full disk.
        first: How many operations succeed before.
    """
    disk = FailingDisk(folder, code, first)
    _failing.append(disk)
    try:
        yield disk
    finally:
        _failing.remove(disk)


@contextmanager
def full_within_a_file(most_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size: a part of it is written, then the system answers EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
