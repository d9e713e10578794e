"""The class list that a configuration names.

A list or text file chooses among the classes that the data have themselves (CIFAR's names, the sub-folders of a tree),
which keep their rows in the full list. Only words that are none of these are looked up in ImageNet-1K: of CIFAR-100,
``[orange, mushroom]`` are rows 53 and 51, though ImageNet has both as well.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from hieramp_lit.classes.class_list import ClassEntry, ClassList, Rows
from hieramp_lit.classes.imagenet import IMAGENET, MOST_NAMED, SUBSETS, find, members_of, read_list, read_members

DIGITS = "digits"
CIFAR = ("cifar10", "cifar100")
"""``lists/NAME.txt``, names in the order of the published labels, CIFAR-100's the fine ones."""


def load_classes(
    spec: str | Sequence[str | int], rows: Rows = "imagenet", own: Callable[[], ClassList] | None = None
) -> ClassList:
    """The class list that a configuration names.

    Args:
        spec: A list that ships with the package (``imagenet``, ``imagenet100``, ``imagenette``, ``imagewoof``,
            ``cifar10``, ``cifar100``, ``digits``); a list of classes, or a text file with one of them a line, each a
            WordNet id or name of the data's own, else a WordNet id, index or name of ImageNet's; the path of a
            `classes.json`; or a folder with one sub-folder per class.
        rows: Which row of the label embedding each class gets, see `class_list`.
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
        raise ValueError(
            f"classes: {several[:MOST_NAMED]}: several of the data's classes have the name. Give the WordNet id."
        )
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
