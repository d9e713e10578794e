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

**Which class a word means.** A list or text file chooses among the classes that the data have themselves (CIFAR's
names, the sub-folders of a tree), which keep their rows in the full list. Only words that are none of these are looked
up in ImageNet-1K: of CIFAR-100, ``[orange, mushroom]`` are rows 53 and 51, though ImageNet has both as well.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hieramp_lit.classes.imagenet import (
    CLASSES,
    IMAGENET,
    MOST_NAMED,
    SUBSETS,
    by_wnid,
    find,
    members_of,
    read_list,
    read_members,
)
from hieramp_lit.files import read_json, write_json

DIGITS = "digits"
CIFAR = ("cifar10", "cifar100")
"""``lists/NAME.txt``, names in the order of the published labels, CIFAR-100's the fine ones."""
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


def load_classes(
    spec: str | Sequence[str | int], rows: Rows = "imagenet", own: Callable[[], ClassList] | None = None
) -> ClassList:
    """The class list that a configuration names.

    Args:
        spec: A list that ships with the package (``imagenet``, ``imagenet100``, ``imagenette``, ``imagewoof``,
            ``cifar10``, ``cifar100``, ``digits``); a list of classes, or a text file with one of them a line, each a
            WordNet id or name of the data's own, else a WordNet id, index or name of ImageNet's; the path of a
            `classes.json`; or a folder with one sub-folder per class.
        rows: Which row of the label embedding each class gets, see the top of this file.
        own: Gives all classes of the data where these have names of their own; a list's members are looked for among
            them first.

    Raises:
        ValueError: If `spec` or `rows` is none of these.
    """
    if rows not in ("imagenet", "own"):
        raise ValueError(f"class_rows={rows!r}: expected 'imagenet' or 'own'.")
    found = _named(spec, own)
    return found.own_rows() if rows == "own" else found


def are_words(spec: str | Sequence[str | int] | None) -> bool:
    """Whether a specification names its classes one by one: a list, or a text file."""
    return spec is not None and (not isinstance(spec, str) or Path(spec).suffix == ".txt")


def check_words(words: Sequence[object], key: str) -> None:
    """Refuse what is neither text nor a number: YAML makes truth values of ``on``, ``no``, ``true``.

    Raises:
        ValueError: If there are such.
    """
    others = [word for word in words if isinstance(word, bool) or not isinstance(word, (str, int))]
    if others:
        raise ValueError(
            f"{key}: {others[:MOST_NAMED]}: expected text or whole numbers. YAML reads on, off, yes, no, true and "
            'false as truth values; put such names in quotes ("on").'
        )


def _named(spec: str | Sequence[str | int], own: Callable[[], ClassList] | None) -> ClassList:
    if not isinstance(spec, str):
        return _chosen(spec, own)
    if spec == IMAGENET or spec in SUBSETS:
        return _of_imagenet(members_of(spec))
    if spec == DIGITS:
        return ClassList.of_names([str(digit) for digit in range(10)])
    if spec in CIFAR:
        return ClassList.of_names(read_list(spec))
    path = Path(spec).expanduser()
    if path.is_dir():
        return ClassList.from_folder(path)
    if path.suffix == ".txt" and path.is_file():
        return _chosen(read_members(path), own)
    if path.is_file():
        return ClassList.read(path)
    raise ValueError(
        f"classes={spec!r}: no such file or folder. Allowed: {', '.join((DIGITS, *CIFAR, IMAGENET, *SUBSETS))}, a list "
        "of classes or a .txt file with one a line, a classes.json, or a folder with one sub-folder of images per "
        "class."
    )


def _numbered(entries: Sequence[ClassEntry], rows: Rows) -> tuple[ClassEntry, ...]:
    """The entries with the rows that the rule at the top of this file gives them."""
    if rows == "own" or all(entry.imagenet_index is None for entry in entries):
        return tuple(entry._replace(row=row) for row, entry in enumerate(entries))
    new = iter(range(CLASSES, CLASSES + len(entries)))
    return tuple(
        entry._replace(row=next(new) if entry.imagenet_index is None else entry.imagenet_index) for entry in entries
    )


def _chosen(members: Sequence[str | int], own: Callable[[], ClassList] | None) -> ClassList:
    """The classes that words mean: those of the data's own list, else ImageNet's."""
    check_words(members, "classes")
    if own is None:
        return _of_imagenet(members)
    every = own()
    by_word: dict[str, list[ClassEntry]] = {}
    for entry in every.entries:
        for word in {entry.name, entry.wnid} - {None}:
            by_word.setdefault(str(word), []).append(entry)
    meant = {member: by_word.get(str(member), []) for member in members}
    several = [member for member, entries in meant.items() if len(entries) > 1]
    if several:
        raise ValueError(f"classes: {several[:MOST_NAMED]}: several of the data's classes have the name.")
    others = [member for member, entries in meant.items() if not entries]
    theirs = f"The data's own are {every.names[:MOST_NAMED]}{' …' if len(every) > MOST_NAMED else ''}."
    if others and len(others) < len(meant) and all(entry.imagenet_index is None for entry in every.entries):
        raise ValueError(f"classes: {others[:MOST_NAMED]} are no classes of the data, though others are. {theirs}")
    try:
        beside = _of_imagenet(others).entries if others else ()
    except ValueError as error:
        raise ValueError(f"{error} {theirs}") from error
    for member, entry in zip(others, beside, strict=True):
        meant[member] = by_word.get(str(entry.wnid), [entry])
    chosen = [meant[member][0] for member in members]
    twice = sorted(entry.name for entry, times in Counter(chosen).items() if times > 1)
    if twice:
        raise ValueError(f"classes: {twice[:MOST_NAMED]} come twice.")
    return ClassList(tuple(entry._replace(cls=i) for i, entry in enumerate(chosen)))


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
