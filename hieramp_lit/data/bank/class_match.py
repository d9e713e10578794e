"""Bringing two class lists together: a distilled set's and that of the images which judge it."""

import torch
from torch import Tensor

from hieramp_lit.classes import ClassEntry, ClassList
from hieramp_lit.data.batches import ImageBatch

NOT_IN_SET = -1


def match_classes(of_set: ClassList, of_images: ClassList, key: str = "data.validation") -> Tensor:
    """For each class of the images, its `cls` in the set.

    Classes are the same if their WordNet ids are; where either list has none, if their names are. Their order is free,
    and the images may have classes that the set has not.

    Args:
        of_set: What students learn.
        of_images: What the images' labels count.
        key: Configuration key or argument of the images, to name in errors.

    Returns:
        int64, shape ``(len(of_images),)``; `NOT_IN_SET` for classes that the set does not have.

    Raises:
        ValueError: If classes of the set have no images.
    """
    by_wnid = all(entry.wnid for entry in (*of_set.entries, *of_images.entries))

    def identity(entry: ClassEntry) -> str | None:
        return entry.wnid if by_wnid else entry.name

    cls_of = {identity(entry): entry.cls for entry in of_set.entries}
    mapping = [cls_of.get(identity(entry), NOT_IN_SET) for entry in of_images.entries]
    unmatched = [entry.name for entry in of_set.entries if entry.cls not in mapping]
    if unmatched:
        raise ValueError(
            f"{key} has no images of {len(unmatched)} of the set's {len(of_set)} classes: "
            f"{', '.join(unmatched[:5])}. It has {', '.join(of_images.names[:5])}, …. Classes are matched by "
            f"{'WordNet id' if by_wnid else 'name'}: give the data of this set's classes, or name its folders alike."
        )
    return torch.tensor(mapping)


def relabel(batch: ImageBatch, mapping: Tensor) -> ImageBatch:
    """Give a batch the set's labels; images of classes that the set does not have are left out."""
    label = mapping.to(batch.label.device)[batch.label]
    kept = label != NOT_IN_SET
    return ImageBatch(batch.image[kept], label[kept])
