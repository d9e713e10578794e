"""Finding what a file names: results move between machines, and their paths stay as they were written."""

from pathlib import Path


def locate(named: str, beside: Path) -> Path | None:
    """The file or folder that another file names.

    Args:
        named: The path as it stands there.
        beside: The file.

    Returns:
        As it is written; else below the file's folder or a parent of it; None if it is nowhere there.
    """
    path = Path(named).expanduser()
    if path.exists():
        return path
    if path.is_absolute():
        return None
    for folder in beside.resolve().parents:
        if (folder / path).exists():
            return folder / path
    return None
