"""Class lists: which classes a set has, in which order, and which row of the generator's label embedding each uses.

One `ClassEntry` says all about a class: its index in the set's list, its WordNet id, its index in ImageNet-1K and its
row of the label embedding. The list travels in shard sets (``classes.json``) and results (``result.json``).

**Which row a class gets.** With ``rows: imagenet``, what a generator with ImageNet's 1000 classes needs:

- a class of ImageNet-1K, named by its WordNet id, takes its row there, 0…999, in a subset too;
- a class beside such classes, but itself none of the 1000, takes a new row: 1000, 1001, … in the list's order (tuning
  with a larger ``model.var.num_classes`` makes these rows, see `var.load_into`; "unconditional" stays the last one);
- a list without any class of ImageNet-1K takes rows 0, 1, 2, … in its own order: no row of ImageNet's would fit it.

With ``rows: own``, every list takes rows 0, 1, 2, … in its own order, what a generator trained from scratch needs;
WordNet ids and indices stay known. CIFAR's and the digits' lists have rows of their own in either case. A
``classes.json`` keeps the rows that stand in it, unless ``rows: own`` counts them anew.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hieramp_lit.classes.imagenet import CLASSES, by_wnid
from hieramp_lit.files import read_json, write_json

WNID = re.compile(r"n\d{8}")
Rows = Literal["imagenet", "own"]


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
        twice = sorted(row for row, times in Counter(rows).items() if times > 1)
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
            values = read_json(Path(path))
        except ValueError as error:
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
    def from_folder(cls, root: Path | str, key: str = "classes", rows: Rows = "imagenet") -> "ClassList":
        """One class per sub-folder, in sorted order, see `class_folders` and `of_names`.

        Args:
            root: Folder of class folders.
            key: Configuration key to name in errors.
            rows: Which row each class gets, see the top of this file.

        Raises:
            ValueError: If there is no such folder or it has no sub-folder.
        """
        return cls.of_names(class_folders(root, key), rows)

    @classmethod
    def of_names(cls, names: Sequence[str], rows: Rows = "imagenet") -> "ClassList":
        """One class per name, in the order given.

        A name that is a WordNet id of ImageNet-1K becomes the class's `wnid` and brings `imagenet_index` and the name
        for people with it; another WordNet id is `wnid` and name at once. Other names are names, though ImageNet may
        have a class that is called so.

        Args:
            names: WordNet ids or names.
            rows: Which row each class gets, see the top of this file.
        """
        known = by_wnid() if any(WNID.fullmatch(name) for name in names) else {}
        entries = []
        for i, name in enumerate(names):
            found = known.get(name)
            if found is not None:
                entries.append(ClassEntry(i, found.index, found.wnid, found.synonyms[0], found.index))
            else:
                entries.append(ClassEntry(i, i, name if WNID.fullmatch(name) else None, name, None))
        return cls(_numbered(entries, rows))

    def own_rows(self) -> "ClassList":
        """The same classes on rows 0, 1, 2, … in their order."""
        return ClassList(_numbered(self.entries, "own"))


def class_folders(root: Path | str, key: str = "classes") -> list[str]:
    """Names of the sub-folders in sorted order, without hidden ones.

    Raises:
        ValueError: If there is no such folder or it has no sub-folder.
    """
    root = Path(root)
    names = sorted(f.name for f in root.iterdir() if f.is_dir() and not f.name.startswith(".")) if root.is_dir() else []
    if not names:
        state = "has no sub-folders" if root.is_dir() else "is not a folder"
        raise ValueError(f"{key}: {root} {state}. Expected one folder of images per class, named after the class.")
    return names


def _numbered(entries: Sequence[ClassEntry], rows: Rows) -> tuple[ClassEntry, ...]:
    """The entries with the rows that the rule at the top of this file gives them."""
    if rows == "own" or all(entry.imagenet_index is None for entry in entries):
        return tuple(entry._replace(row=row) for row, entry in enumerate(entries))
    new = iter(range(CLASSES, CLASSES + len(entries)))
    return tuple(
        entry._replace(row=next(new) if entry.imagenet_index is None else entry.imagenet_index) for entry in entries
    )


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
