"""Random real images as a generator: the reference that every distilled set must beat at the same IPC."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from hieramp_lit.classes import ClassList, disagreements, load_classes, name_disagreements
from hieramp_lit.generate.base import Generated, Generator
from hieramp_lit.seeds import stream
from hieramp_lit.shards.encode import encode_array
from hieramp_lit.shards.identity import content_sha256

_MOST_NAMED = 12


@runtime_checkable
class RealImages(Protocol):
    """Labelled training images to choose from.

    Attributes:
        classes: Which class each row is.
    """

    classes: ClassList

    def rows(self) -> Tensor:
        """Class row of every image, int64, shape ``(N,)``."""

    def pixels(self, chosen: Sequence[int]) -> Tensor:
        """RGB pixels of these images, uint8 in 0…255, shape ``(B, H, W, 3)``."""

    def identity(self) -> dict[str, Any]:
        """What decides the images: plain JSON values, without paths."""

    def image_name(self, place: int) -> str:
        """What people find an image by."""
        return str(place)


def refuse_other_classes(plan: ClassList, images: ClassList) -> None:
    """Refuse a plan whose class rows mean other classes than those of the real images.

    Args:
        plan: Classes of the plan.
        images: Classes of the images.

    Raises:
        ValueError: Naming the rows that differ.
    """
    wrong = disagreements(plan, images)
    if wrong:
        rows = name_disagreements(wrong, "there", "here")
        raise ValueError(
            f"data.classes and the real images disagree: {rows}. Images would get other labels. Give "
            "model.generator…data.classes the same class list as data.classes."
        )


def refuse_too_few(classes: ClassList, available: Sequence[int], images_per_class: int, remedy: str = "") -> None:
    """Refuse a plan that asks for more images of a class than there are.

    Args:
        classes: The plan's.
        available: Images that each class gives, in their order.
        images_per_class: The plan's.
        remedy: What else would help, sentences with a space behind.

    Raises:
        ValueError: Naming these classes and how many images they give.
    """
    pairs = zip(classes.entries, available, strict=True)
    short = [f"{entry.name} (row {entry.row}) has {count}" for entry, count in pairs if count < images_per_class]
    if not short:
        return
    named = "; ".join(short[:_MOST_NAMED]) + (f"; … {len(short)} in all" if len(short) > _MOST_NAMED else "")
    least = min(available)
    lower = f"Lower data.images_per_class to {least}, or leave" if least else "Leave"
    raise ValueError(
        f"data.images_per_class={images_per_class}, and {len(short)} of {len(available)} classes have fewer images: "
        f"{named}. Nothing was written. {remedy}{lower} these classes out by data.class_subset."
    )


def images_of_each(classes: ClassList, row_N: Tensor) -> list[int]:
    """How many images each class has, in the order of the classes.

    Args:
        classes: Of the plan.
        row_N: Class row of every image, int64, shape ``(N,)``.
    """
    counts: list[int] = torch.bincount(row_N, minlength=max(classes.rows) + 1)[list(classes.rows)].tolist()
    return counts


class RandomReal(Generator):
    """Gives (class row, index, seed) a training image of that class, chosen at random.

    The images of a class are put in an order drawn from (seed, class row) and numbered: the images of one seed are
    distinct, and a larger IPC extends a smaller one.

    Args:
        data: Where images come from: `DigitsImages`, `FolderImages`, `WebDatasetImages`, `CIFARImages` or
            `TinyImageNetImages`.
    """

    def __init__(self, data: RealImages) -> None:
        self.data = data
        self._rows = data.rows()

    @property
    def name(self) -> str:
        """``random_real``."""
        return "random_real"

    def identity(self) -> dict[str, Any]:
        """The data; there are no weights and nothing to set."""
        return {"data": self.data.identity()}

    def check_classes(self, classes: ClassList) -> None:
        """Refuse a plan whose class rows mean other classes than those of the images.

        Args:
            classes: The plan's.

        Raises:
            ValueError: Naming the rows that differ.
        """
        refuse_other_classes(classes, self.data.classes)

    def check_images_per_class(self, classes: ClassList, images_per_class: int) -> None:
        """Refuse a plan that some class has too few training images for.

        Args:
            classes: The plan's.
            images_per_class: The plan's.

        Raises:
            ValueError: Naming these classes and how many images they have.
        """
        refuse_too_few(classes, images_of_each(classes, self._rows), images_per_class)

    def generate(self, labels_B: Tensor, indices_B: Tensor, seed: int, record_saliency: bool = False) -> Generated:
        """Choose one image for each (class row, index) under `seed`.

        Args:
            labels_B: Class rows, int64, shape ``(B,)``.
            indices_B: Index of each image within its class, int64, shape ``(B,)``.
            seed: The set's seed.
            record_saliency: Ignored: real images have no saliency maps.

        Raises:
            ValueError: If a class has fewer images than an index asks for.
        """
        orders = {row: self._order(row, seed) for row in set(labels_B.tolist())}
        chosen = []
        for row, index in zip(labels_B.tolist(), indices_B.tolist(), strict=True):
            if index >= len(orders[row]):
                raise ValueError(
                    f"Class row {row} has {len(orders[row])} training images, image {index} was asked for. "
                    "Lower data.images_per_class, or leave the class out with data.class_subset."
                )
            chosen.append(orders[row][index])
        return Generated(images=self.data.pixels(chosen))

    def _order(self, row: int, seed: int) -> list[int]:
        members = (self._rows == row).nonzero().flatten()
        order: list[int] = members[torch.randperm(len(members), generator=stream("real", seed, row))].tolist()
        return order


class DigitsImages(RealImages):
    """The embedded example's images: handwritten digits, 32×32 RGB, class rows 0…9.

    Args:
        split: Which part to choose from: all 1347 training images, or the 1077 of them that are left when settings are
            chosen on the others.
    """

    def __init__(self, split: Literal["train", "fit"] = "train") -> None:
        from hieramp_lit.data.images.digits import load_digits_split  # here: data modules bring Lightning with them

        self.split = split
        self.classes = load_classes("digits")
        self._images_N3HW, self._rows_N = load_digits_split(split)

    def rows(self) -> Tensor:
        """Class row of every image: the digit."""
        return self._rows_N

    def pixels(self, chosen: Sequence[int]) -> Tensor:
        """RGB pixels of these images."""
        return self._images_N3HW[torch.tensor(chosen)].permute(0, 2, 3, 1).contiguous()

    def identity(self) -> dict[str, Any]:
        """Split and checksum of its pixels."""
        pixels = encode_array(self._images_N3HW.numpy())
        return {"name": "digits", "split": self.split, "images": len(self._rows_N), "sha256": content_sha256(pixels)}
