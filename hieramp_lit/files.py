"""Files that are either whole or absent: write aside, fsync, rename."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TEMPORARY_SUFFIX = ".tmp"

MOST_JSON_BYTES = 2**30
"""Largest JSON file that is read: the manifest of a set of 100 million images is far smaller."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is fsynced and renamed to `path`, on failure removed.

    Args:
        path: Final name. Its folder is created. An existing file is replaced in one step.

    Yields:
        Path to write to: ``.<name>.tmp`` in the same folder, so that the rename never crosses a file system.

    Raises:
        OSError: If the folder cannot be written or the disk is full; `path` is then as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}{TEMPORARY_SUFFIX}"
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # safetensors replaces the file by one that only its owner may read
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, in UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write plain JSON atomically: sorted keys, two spaces, a final newline, so that equal values give equal bytes."""
    write_text(path, format_json(value))


def format_json(value: Any) -> str:
    """The text that `write_json` writes."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def read_json(path: Path, most_bytes: int = MOST_JSON_BYTES) -> Any:
    """Read a JSON file that may come from anybody, see `parse_json`.

    Args:
        path: The file.
        most_bytes: Largest size that is read.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is larger, or no JSON that `parse_json` takes.
    """
    return parse_json(read_bounded(path, most_bytes))


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """Read a file that may come from anybody, as long as it is no larger than it should be.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is larger.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > most_bytes:
            raise ValueError(f"{size} bytes are more than {most_bytes} bytes, the most that such a file may have")
        return file.read(size)  # not `most_bytes`, for which room would be made first


def parse_json(content: bytes) -> Any:
    """Parse JSON of one meaning only: no key twice, no NaN or Infinity, not nested without end.

    Raises:
        ValueError: Otherwise, or if it is no JSON.
    """
    try:
        return json.loads(content, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError(f"the JSON has a key twice, among {sorted(value)[:12]}")
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"the JSON holds {name}, which is no number")


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fsync_folder(folder: Path) -> None:
    """Make renames in a folder durable; a no-op where folders cannot be opened."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
