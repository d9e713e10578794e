"""What a failed write means for who waits for the files, and what to do about it."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""No room: on the disk, in a quota, under a limit of file sizes."""

READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
"""May not be written."""

KEPT = "Complete shards are kept, and the same command again goes on."


@contextmanager
def explained(folder: Path, *, key: str, kept: str, needed: int | None = None) -> Iterator[None]:
    """Turn an error of the operating system into one that names the folder, what is left, and the remedy.

    Args:
        folder: Where was written.
        key: Configuration key or argument that named it.
        kept: What the failure leaves, as a sentence.
        needed: About how many bytes the rest takes, where that is known.

    Raises:
        OSError: Of the same number, with another message.
    """
    try:
        yield
    except OSError as error:
        remedy = f"Choose another {key}, or look at the file system."
        if error.errno in FULL:
            wanted = "" if needed is None else f", about {_size(needed)} are needed"
            remedy = f"{_free(folder)}{wanted}: make room, or choose another {key}."
        elif error.errno in READ_ONLY:
            remedy = f"Get write access, or choose another {key}."
        file = f" at {error.filename}" if error.filename else ""
        what = f"cannot write to {key}={str(folder)!r} ({error.strerror or error}{file}). {kept} {remedy}"
        raise OSError(error.errno, what) from error


def _free(folder: Path) -> str:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return f"{_size(shutil.disk_usage(existing).free)} are free"


def _size(number: int) -> str:
    return f"{number} bytes" if number < 2**20 else f"{number / 2**20:,.0f} MiB"
