"""What the labels in shards mean: numbers or names to classes of a list."""

from typing import Literal, get_args

from hieramp_lit.classes import ClassEntry, ClassList
from hieramp_lit.classes.imagenet import CLASSES, by_wnid
from hieramp_lit.data.web.shards import ShardError

LabelNumbers = Literal["cls", "imagenet"]
MOST_DIGITS = 9


class LabelMeaning:
    """Class of each label.

    Args:
        classes: The classes that are taken.
        label: Which number of the class to give: `row` or `cls`.
        numbers: What numbers in the shards count: `cls`, the classes of the list in its order, or `imagenet`, the 1000
            of ImageNet-1K. Names and WordNet ids say it themselves.

    Raises:
        ValueError: If `numbers` is another word, or `imagenet` where no class of the list is one of ImageNet's.
    """

    def __init__(self, classes: ClassList, label: Literal["row", "cls"], numbers: LabelNumbers) -> None:
        if numbers not in get_args(LabelNumbers):
            raise ValueError(f"data.label_numbers={numbers!r}: expected 'cls' or 'imagenet'.")
        self._classes = classes
        self._label = label
        self._numbers = numbers
        self._by_index = {e.imagenet_index: e for e in classes.entries if e.imagenet_index is not None}
        if numbers == "imagenet" and not self._by_index:
            raise ValueError("data.label_numbers='imagenet': no class of data.classes is one of ImageNet's.")
        self._by_name: dict[str, list[ClassEntry]] = {}
        for entry in classes.entries:
            for name in {entry.name, entry.wnid} - {None}:
                self._by_name.setdefault(str(name), []).append(entry)

    def __call__(self, text: str, where: str) -> int | None:
        """Row or cls of a label; None if it is a class of ImageNet that the list leaves out.

        Args:
            text: Number, WordNet id or name.
            where: The sample, for errors.

        Raises:
            ShardError: If the label is no class.
        """
        is_number = text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
        entry = self._of_number(int(text), where) if is_number else self._of_name(text, where)
        return None if entry is None else int(getattr(entry, self._label))

    def _of_number(self, number: int, where: str) -> ClassEntry | None:
        if self._numbers == "imagenet":
            if number < CLASSES:
                return self._by_index.get(number)
            raise ShardError(f"{where} has the label {number}, ImageNet's are 0…{CLASSES - 1}. Set data.label_numbers.")
        if number < len(self._classes):
            return self._classes.entries[number]
        raise ShardError(
            f"{where} has the label {number}, data.classes has {len(self._classes)} classes. If the shards count "
            "ImageNet's 1000 classes, set data.label_numbers: imagenet; the others are then left out."
        )

    def _of_name(self, name: str, where: str) -> ClassEntry | None:
        entries = self._by_name.get(name, [])
        if len(entries) == 1:
            return entries[0]
        if not entries and self._by_index and name in by_wnid():
            return None
        raise ShardError(
            f"{where} has the label {name[:80]!r}, which is {'several' if entries else 'none'} of the classes "
            f"{self._classes.names[:6]} … Give WordNet ids or names of data.classes, or numbers."
        )
