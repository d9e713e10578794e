"""Images that a teacher is tried on: equally many of each class, whatever order they are stored in.

Legend: ``N`` images · ``B`` batch.
"""

from collections.abc import Iterator, Sequence

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from hieramp_lit.classes import ClassList
from hieramp_lit.data.bank.class_match import NOT_IN_SET, match_classes, relabel
from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.data.images.source import ImageSamples
from hieramp_lit.data.loading import SampleKey
from hieramp_lit.data.module import SampledDataModule

MOST_AT_ONCE = 64
MOST_NAMED = 12


def spread_over_classes(
    data: LightningDataModule, classes: ClassList, of_images: ClassList, most: int
) -> Iterator[ImageBatch]:
    """Validation images, ``most // len(classes)`` of each class and at least one; fewer where a class has fewer.

    Stored images are chosen by their labels, spread evenly over those of a class, and no others are read. Of other
    data, the first images of each class are taken.

    Args:
        data: Set up; its images are labelled with `cls` of `of_images`.
        classes: The set's classes.
        of_images: Those of the images.
        most: Images to try, about.

    Yields:
        Images, uint8, labelled with `cls` of the set.

    Raises:
        ValueError: If a class has no image, the images are labelled with class rows, or the class lists do not match.
    """
    mapping, each = match_classes(classes, of_images), max(1, most // len(classes))
    if getattr(data, "label", "cls") == "row":
        raise ValueError(f"{type(data).__name__} labels with class rows: set its label: cls, which students learn.")
    samples = data.val_samples() if isinstance(data, SampledDataModule) else None
    if not isinstance(samples, ImageSamples):
        yield from _first_of_each(data, mapping, classes, each)
        return
    label_N = mapping[torch.from_numpy(samples.source.labels)]
    _refuse_missing(torch.bincount(label_N[label_N != NOT_IN_SET], minlength=len(classes)).tolist(), classes)
    places = spread_places(label_N, len(classes), each)
    for start in range(0, len(places), MOST_AT_ONCE):
        yield relabel(samples[[SampleKey(0, place) for place in places[start : start + MOST_AT_ONCE]]], mapping)


def spread_places(label_N: Tensor, num_classes: int, each: int) -> list[int]:
    """Places of at most `each` images of every class, spread evenly over those of the class, ascending.

    Args:
        label_N: Class of every image, int64; others than ``[0, num_classes)`` are left out.
        num_classes: Number of classes.
        each: Images of a class.
    """
    order = torch.argsort(label_N, stable=True)
    start, end = (torch.searchsorted(label_N[order], torch.arange(num_classes), right=right) for right in (False, True))
    chosen = []
    for first, number in zip(start.tolist(), (end - start).tolist(), strict=True):
        count = min(each, number)
        chosen += [first + place * number // count for place in range(count)]
    return sorted(order[chosen].tolist())


def _first_of_each(data: LightningDataModule, mapping: Tensor, classes: ClassList, each: int) -> Iterator[ImageBatch]:
    taken = [0] * len(classes)
    for batch in data.val_dataloader():
        found, kept = relabel(batch, mapping), []
        for place, label in enumerate(found.label.tolist()):
            if taken[label] < each:
                taken[label] += 1
                kept.append(place)
        if kept:
            yield ImageBatch(found.image[kept], found.label[kept])
        if min(taken) == each:
            break
    _refuse_missing(taken, classes)


def _refuse_missing(counts: Sequence[int], classes: ClassList) -> None:
    missing = [entry.name for entry, count in zip(classes.entries, counts, strict=True) if not count]
    if missing:
        more = ", …" if len(missing) > MOST_NAMED else ""
        raise ValueError(
            f"The validation images have none of {len(missing)} of the {len(classes)} classes: "
            f"{', '.join(missing[:MOST_NAMED])}{more}. Nothing tells which of the teacher's answers are theirs: add "
            "images of them, or leave these classes out of the set."
        )
