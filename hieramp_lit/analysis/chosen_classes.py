"""Classes that words mean."""

from collections.abc import Sequence

from hieramp_lit.classes import ClassList


def chosen_classes(classes: ClassList, words: Sequence[str], key: str = "--classes") -> list[int]:
    """The cls of each word: a WordNet id or name of the set's, else a cls.

    Args:
        classes: The set's.
        words: Each once or more; a class comes once.
        key: Argument that named them, for errors.

    Raises:
        ValueError: If a word means no class, or several classes have the name.
    """
    found: list[int] = []
    for word in words:
        named = [entry.cls for entry in classes.entries if word in (entry.wnid, entry.name)]
        if not named and word.isascii() and word.isdecimal() and int(word) < len(classes):
            named = [int(word)]
        if len(named) != 1:
            meant = f"{len(named)} classes have the name" if named else "the set has no such class"
            raise ValueError(
                f"{key} {word}: {meant}. Give WordNet ids, names or numbers of classes.json (cls 0 to "
                f"{len(classes) - 1}), e.g. {classes.names[0]!r}."
            )
        found += named
    return list(dict.fromkeys(found))
