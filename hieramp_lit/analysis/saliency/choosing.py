"""Which images of a set are looked at."""

from collections.abc import Sequence

from hieramp_lit.classes import ClassList
from hieramp_lit.shards import ShardSet
from hieramp_lit.shards.format import parse_key


def chosen_positions(
    shards: ShardSet,
    keys: Sequence[str] = (),
    classes: Sequence[str] = (),
    most_classes: int = 10,
    images_per_class: int = 1,
) -> list[int]:
    """Positions of the named images; without names, of the first images of the named classes, or of evenly spaced ones.

    Args:
        shards: The set.
        keys: Of images, such as ``r00207_00003``.
        classes: Class rows, WordNet ids or names.
        most_classes: Classes to take where none is named.
        images_per_class: First images to take of each class, at most those that there are.

    Returns:
        Ascending, each once: ``cls * images_per_class + index``.

    Raises:
        ValueError: If the set has no such image or class, or both are named.
    """
    if keys and classes:
        raise ValueError("--images names images and --saliency-classes classes: give one of the two.")
    ipc = shards.manifest.images_per_class
    if keys:
        return sorted({_position(shards, key) for key in keys})
    count = len(shards.classes)
    found = {_cls(shards.classes, word) for word in classes}
    if not found:
        number = min(most_classes, count)
        found = {place * count // number for place in range(number)}
    return [cls * ipc + index for cls in sorted(found) for index in range(min(images_per_class, ipc))]


def _position(shards: ShardSet, key: str) -> int:
    ipc = shards.manifest.images_per_class
    try:
        row, index = parse_key(key)
    except ValueError as error:
        raise ValueError(f"--images: {error}") from error
    if row not in shards.classes.rows or index >= ipc:
        rows = shards.classes.rows
        raise ValueError(
            f"--images {key}: {shards.path} has {len(rows)} class rows from {min(rows)} to {max(rows)} and {ipc} "
            "images of each. `hieramp export` shows all by their names."
        )
    return shards.classes.rows.index(row) * ipc + index


def _cls(classes: ClassList, word: str) -> int:
    found = [entry.cls for entry in classes.entries if word in {str(entry.row), entry.wnid, entry.name}]
    if len(found) != 1:
        raise ValueError(
            f"--saliency-classes {word}: fits {len(found)} classes of the set, it must fit one. Give class rows, "
            f"WordNet ids or names as in its classes.json, such as {classes.names[0]!r}."
        )
    return found[0]
