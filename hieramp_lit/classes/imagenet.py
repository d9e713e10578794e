"""The classes of ImageNet-1K by WordNet id, index or name, and the subsets of it that papers use."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

IMAGENET = "imagenet"
SUBSETS = ("imagenet100", "imagenette", "imagewoof")
"""``lists/NAME.txt``: WordNet ids in the order in which the papers' students learn them; each file names its source."""
CLASSES = 1000
MOST_NAMED = 8


@dataclass(frozen=True)
class ImageNetClass:
    """One class of ImageNet-1K.

    Attributes:
        index: Position among the 1000 classes in the order of their WordNet ids, and row of a published label
            embedding.
        wnid: WordNet id.
        synonyms: Names for people, the first one first.
    """

    index: int
    wnid: str
    synonyms: tuple[str, ...]


@cache
def every_class() -> tuple[ImageNetClass, ...]:
    """All 1000, from timm's description of ImageNet."""
    from timm.data.imagenet_info import (
        ImageNetInfo,  # here: a second for importing it is spent only where ImageNet is meant
    )

    info = ImageNetInfo("imagenet-1k")
    found = []
    for index in range(CLASSES):
        synonyms = tuple(name.strip() for name in info.index_to_description(index).split(","))
        found.append(ImageNetClass(index, info.index_to_label_name(index), synonyms))
    return tuple(found)


@cache
def by_wnid() -> dict[str, ImageNetClass]:
    """Each class by its WordNet id."""
    return {known.wnid: known for known in every_class()}


def find(members: Sequence[str | int], *, key: str) -> list[ImageNetClass]:
    """The classes that are meant, in the order given.

    Args:
        members: WordNet ids, indices in 0…999, or names, each any of the class's synonyms in any case.
        key: Configuration key to name in errors.

    Raises:
        ValueError: If a member is no class, is several (``crane``), or comes twice.
    """
    by_word: dict[str | int, list[ImageNetClass]] = {}
    for known in every_class():
        words: set[str | int] = {known.index, str(known.index), known.wnid}
        for word in words | {name.casefold() for name in known.synonyms}:
            by_word.setdefault(word, []).append(known)
    meant = {member: by_word.get(member.casefold() if isinstance(member, str) else member, []) for member in members}
    unknown = [member for member, classes in meant.items() if not classes]
    if unknown:
        raise ValueError(
            f"{key}: {unknown[:MOST_NAMED]} {'are' if len(unknown) > 1 else 'is'} no class of ImageNet-1K. Give "
            "WordNet ids (n02099601), indices (207) or names (golden retriever)."
        )
    several = {member: [found.wnid for found in classes] for member, classes in meant.items() if len(classes) > 1}
    if several:
        raise ValueError(f"{key}: several classes have the name: {several}. Give the WordNet id.")
    chosen = [meant[member][0] for member in members]
    twice = sorted({found.wnid for found in chosen if sum(found == other for other in chosen) > 1})
    if twice:
        raise ValueError(f"{key}: {twice[:MOST_NAMED]} come twice.")
    return chosen


def read_members(path: Path) -> list[str]:
    """One class a line; empty lines and what follows a ``#`` are left out.

    Raises:
        ValueError: If the file names no class.
    """
    lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    members = [line for line in lines if line]
    if not members:
        raise ValueError(f"classes: {path} names no class. Write one a line: WordNet id, index or name.")
    return members


def members_of(name: str) -> list[str]:
    """WordNet ids of a list that ships with the package: `IMAGENET` or one of `SUBSETS`."""
    if name == IMAGENET:
        return [known.wnid for known in every_class()]
    return read_list(name)


def read_list(name: str) -> list[str]:
    """The lines of ``lists/NAME.txt``."""
    with resources.as_file(resources.files("hieramp_lit") / "classes" / "lists" / f"{name}.txt") as path:
        return read_members(path)
