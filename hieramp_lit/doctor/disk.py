"""Whether what a run writes fits on the disk that it goes to."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from hieramp_lit.doctor.findings import Finding, size

PNG_SHARE = 0.7
"""Bytes of a lossless photograph over its raw pixels, roughly; drawings take far less."""
SAMPLE_BYTES = 4096
"""Of a sample beside its image: headers of the tar's members, padding, and the JSON."""
SPARE = 1.25
"""What should be free, over what is needed: estimates are rough, and a full disk stops everything."""


class Writes(NamedTuple):
    """What a run writes.

    Attributes:
        what: In words.
        path: File or folder that it goes to; need not exist.
        bytes: Estimate.
    """

    what: str
    path: Path
    bytes: int


def shard_set_bytes(images: int, side: int, tokens: int = 0, maps: int = 0) -> int:
    """Size of a distilled set.

    Args:
        images: Their number.
        side: In pixels.
        tokens: An image; uint16.
        maps: Values of an image's saliency maps; float16.
    """
    return round(images * (PNG_SHARE * 3 * side**2 + 2 * tokens + 2 * maps + SAMPLE_BYTES))


def checkpoint_bytes(parameters: int, learning: int, kept: int) -> int:
    """Size of a fit's checkpoints: weights and AdamW's moments in float32; one more while it is written."""
    return (kept + 1) * (4 * parameters + 8 * learning)


def free_on_disk(folder: Path) -> int:
    """Bytes that a user may still write to the file system of an existing folder."""
    return shutil.disk_usage(folder).free


def may_write(folder: Path) -> bool:
    """Whether the user may make files in an existing folder."""
    return os.access(folder, os.W_OK)


def check_disk(
    writes: Sequence[Writes],
    free: Callable[[Path], int] = free_on_disk,
    writable: Callable[[Path], bool] = may_write,
) -> list[Finding]:
    """Compare what is written with what is free, file system by file system.

    Args:
        writes: All of it.
        free: Bytes free at an existing folder.
        writable: Whether files can be made in one.
    """
    by_device: dict[int, list[Writes]] = {}
    findings = []
    for written in writes:
        folder = existing_folder(written.path)
        if not writable(folder):
            text = f"{written.what} go to {written.path}, and {folder} cannot be written to"
            findings.append(Finding("disk", "error", text, "give another folder, or ask for the right to write there"))
        by_device.setdefault(folder.stat().st_dev, []).append(written)
    for group in by_device.values():
        needed, available = sum(written.bytes for written in group), free(existing_folder(group[0].path))
        parts = "; ".join(f"{written.what} about {size(written.bytes)} in {written.path}" for written in group)
        text = f"{parts}; {size(available)} are free there"
        facts = {"needed_bytes": needed, "free_bytes": available}
        if needed > available:
            findings.append(Finding("disk", "error", text, "make room, or give another folder", facts))
        elif needed * SPARE > available:
            findings.append(Finding("disk", "warning", text, "make room: the estimate is rough", facts))
        else:
            findings.append(Finding("disk", "ok", text, facts=facts))
    return findings


def existing_folder(path: Path) -> Path:
    """The folder that exists and in which a path would be made."""
    path = path.expanduser().absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
