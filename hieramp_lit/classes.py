"""Class lists: which classes a set has, in which order, and which row of the generator's label embedding each uses."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hieramp_lit.files import write_json
from hieramp_lit.imagenet import IMAGENET, SUBSETS, find, members_of, read_members

DIGITS = "digits"
WNID = re.compile(r"n\d{8}")


class ClassEntry(NamedTuple):
    """One class of a set.

    Attributes:
        cls: Index in the set's own list, which is what students learn: 0, 1, 2, … in order.
        row: Class row, the row of the generator's label embedding (0…999 for ImageNet, even in a subset).
        wnid: WordNet id as in ImageNet (``n01440764``); None for other data.
        name: Name for people.
        imagenet_index: Index among the 1000 ImageNet classes, where known.
    """

    cls: int
    row: int
    wnid: str | None
    name: str
    imagenet_index: int | None


@dataclass(frozen=True)
class ClassList:
    """The classes of a set in `cls` order.

    Args:
        entries: One entry a class.

    Raises:
        ValueError: If the list is empty, `cls` does not count 0, 1, 2, …, or a class row is negative or used twice.
    """

    entries: tuple[ClassEntry, ...]

    def __post_init__(self) -> None:
        """Refuse lists that would mislabel images."""
        if not self.entries:
            raise ValueError("classes: the list is empty; name at least one class.")
        order = [entry.cls for entry in self.entries]
        if order != list(range(len(order))):
            raise ValueError(f"classes: `cls` must count 0, 1, 2, … in order, got {order[:12]}.")
        rows = self.rows
        twice = sorted({row for row in rows if rows.count(row) > 1})
        if twice or min(rows) < 0:
            raise ValueError(
                f"classes: each class needs a class row of its own ≥ 0; used twice: {twice}, least: {min(rows)}."
            )

    def __len__(self) -> int:
        """Number of classes."""
        return len(self.entries)

    @property
    def rows(self) -> list[int]:
        """Class rows in `cls` order."""
        return [entry.row for entry in self.entries]

    @property
    def names(self) -> list[str]:
        """Names in `cls` order."""
        return [entry.name for entry in self.entries]

    def to_json(self) -> list[dict[str, Any]]:
        """Plain values for `classes.json`."""
        return [entry._asdict() for entry in self.entries]

    @classmethod
    def from_json(cls, values: Sequence[Mapping[str, Any]]) -> "ClassList":
        """Read what `to_json` wrote; `wnid` and `imagenet_index` may be absent.

        Raises:
            ValueError: If an entry lacks a field or has one of another type.
        """
        return cls(tuple(_entry(value, position) for position, value in enumerate(values)))

    @classmethod
    def read(cls, path: Path | str) -> "ClassList":
        """Read a `classes.json`.

        Raises:
            ValueError: If the file is not JSON or holds another structure.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(
                f"classes: {path} is not JSON ({error}). Give a classes.json or a folder of classes."
            ) from error
        if not isinstance(values, list):
            raise ValueError(f"classes: {path} holds a {type(values).__name__}, expected a list of classes.")
        return cls.from_json(values)

    def write(self, path: Path | str) -> None:
        """Write a `classes.json`, atomically."""
        write_json(Path(path), self.to_json())

    @classmethod
    def from_folder(cls, root: Path | str, key: str = "classes") -> "ClassList":
        """One class per sub-folder in sorted order, row = cls; hidden folders are left out.

        Folder names that are WordNet ids also become the `wnid`.

        Args:
            root: Folder of class folders.
            key: Configuration key to name in errors.

        Raises:
            ValueError: If there is no such folder or it has no sub-folder.
        """
        root = Path(root)
        folders = (
            sorted(f.name for f in root.iterdir() if f.is_dir() and not f.name.startswith(".")) if root.is_dir() else []
        )
        if not folders:
            state = "has no sub-folders" if root.is_dir() else "is not a folder"
            raise ValueError(f"{key}: {root} {state}. Expected one folder of images per class, named after the class.")
        return cls(
            tuple(
                ClassEntry(cls=i, row=i, wnid=name if WNID.fullmatch(name) else None, name=name, imagenet_index=None)
                for i, name in enumerate(folders)
            )
        )


def load_classes(spec: str | Sequence[str | int]) -> ClassList:
    """The class list that a configuration names.

    Args:
        spec: A list that ships with the package (``imagenet``, ``imagenet100``, ``imagenette``, ``imagewoof``,
            ``digits``); a list of classes of ImageNet by WordNet id, index or name, or a text file with one of them a
            line; the path of a `classes.json`; or a folder with one sub-folder per class. Classes of ImageNet keep
            their rows of the label embedding, 0…999, in a subset too.

    Raises:
        ValueError: If `spec` is none of these.
    """
    if not isinstance(spec, str):
        return _of_imagenet(spec)
    if spec == IMAGENET or spec in SUBSETS:
        return _of_imagenet(members_of(spec))
    if spec == DIGITS:
        return ClassList(
            tuple(ClassEntry(cls=i, row=i, wnid=None, name=str(i), imagenet_index=None) for i in range(10))
        )
    path = Path(spec).expanduser()
    if path.is_dir():
        return ClassList.from_folder(path)
    if path.suffix == ".txt" and path.is_file():
        return _of_imagenet(read_members(path))
    if path.is_file():
        return ClassList.read(path)
    raise ValueError(
        f"classes={spec!r}: no such file or folder. Allowed: {', '.join((DIGITS, IMAGENET, *SUBSETS))}, a list of "
        "classes of ImageNet or a .txt file with one a line, a classes.json, or a folder with one sub-folder of images "
        "per class."
    )


def _of_imagenet(members: Sequence[str | int]) -> ClassList:
    found = find(members, key="classes")
    return ClassList(tuple(ClassEntry(i, c.index, c.wnid, c.synonyms[0], c.index) for i, c in enumerate(found)))


def _entry(value: Mapping[str, Any], position: int) -> ClassEntry:
    if not isinstance(value, Mapping):
        raise ValueError(f"classes: entry {position} is a {type(value).__name__}, expected an object.")
    number, name = (int,), (str,)
    kinds = {"cls": number, "row": number, "wnid": (str, type(None)), "name": name, "imagenet_index": (int, type(None))}
    unknown = sorted(set(value) - set(kinds))
    wrong = [
        key for key, types in kinds.items() if not isinstance(value.get(key), types) or isinstance(value.get(key), bool)
    ]
    if unknown or wrong:
        raise ValueError(
            f"classes: entry {position} is {dict(value)!r}; missing or of another type: {wrong}, unknown: {unknown}. "
            "Expected cls and row (integers), name (text), and optionally wnid (text) and imagenet_index (integer)."
        )
    return ClassEntry(value["cls"], value["row"], value.get("wnid"), value["name"], value.get("imagenet_index"))
