"""Which images of a set are looked at."""

from collections.abc import Sequence

from hieramp_lit.shards import ShardSet
from hieramp_lit.shards.format import parse_key


def chosen_positions(
    shards: ShardSet,
    keys: Sequence[str] = (),
    classes: Sequence[int] = (),
    most_classes: int = 10,
    images_per_class: int = 1,
) -> list[int]:
    """Positions of the named images; without names, of the first images of some classes, or of evenly spaced ones.

    Args:
        shards: The set.
        keys: Of images, such as ``r00207_00003``.
        classes: cls of each class; none takes evenly spaced ones.
        most_classes: How many of these.
        images_per_class: First images to take of each class, at most those that there are.

    Returns:
        Ascending, each once: ``cls * images per class + index``.

    Raises:
        ValueError: If the set has no such image.
    """
    if keys:
        return sorted({_position(shards, key) for key in keys})
    ipc, count = shards.manifest.images_per_class, len(shards.classes)
    number = min(most_classes, count)
    chosen = set(classes) or {place * count // number for place in range(number)}
    return [cls * ipc + index for cls in sorted(chosen) for index in range(min(images_per_class, ipc))]


def _position(shards: ShardSet, key: str) -> int:
    ipc, rows = shards.manifest.images_per_class, shards.classes.rows
    try:
        row, index = parse_key(key)
    except ValueError as error:
        raise ValueError(f"--images: {error}") from error
    if row not in rows or index >= ipc:
        raise ValueError(
            f"--images {key}: {shards.path} has no such image. It has {len(rows)} class rows from {min(rows)} to "
            f"{max(rows)}, and images 0 to {ipc - 1} of each."
        )
    return rows.index(row) * ipc + index
