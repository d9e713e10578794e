"""Which classes the rows of a VAR's label embedding stand for: its file says so, or they are ImageNet's by custom."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from hieramp_lit.checkpoints import CLASS_LIST, read_record, resolve
from hieramp_lit.classes import ClassList, disagreements, load_classes, name_disagreements
from hieramp_lit.classes.agreement import Disagreement
from hieramp_lit.classes.imagenet import CLASSES, IMAGENET
from hieramp_lit.files import parse_json
from hieramp_lit.var.label_rows import EMBEDDING
from hieramp_lit.var.weights import read_var_tensors


@dataclass(frozen=True)
class KnownClasses:
    """What is known about the classes of a label embedding's rows.

    Args:
        classes: Classes of the rows that are known; None if of none.
        recorded: Whether the file says so. Otherwise it has 1000 classes and says nothing, as published ones do.
        source: Where the weights come from, for messages, e.g. ``model.checkpoint='var.pth'``.
    """

    classes: ClassList | None = None
    recorded: bool = True
    source: str = "model.checkpoint"

    def check_plan(self, plan: ClassList) -> None:
        """Refuse to generate classes by rows that stand for others.

        Rows of which nothing is known are taken as they are; by custom alone, so are classes that are not ImageNet's.

        Args:
            plan: The classes of the images to generate.

        Raises:
            ValueError: Naming rows, both classes and the remedy.
        """
        wrong = [pair for pair in self._disagreements(plan) if self.recorded or pair.asked.imagenet_index is not None]
        if not wrong:
            return
        remedy = (
            "Name in data.classes all classes that the weights were tuned on, as they were then, and choose among them "
            "by data.class_subset; or give the weights that were tuned on these classes."
            if self.recorded
            else "The file has 1000 classes and does not say which, so they are ImageNet's: set `data.class_rows: "
            "imagenet` and give rows by WordNet id, or give weights that were tuned on these classes. "
            "If these were, `hieramp export-weights --classes` writes it down."
        )
        rows = name_disagreements(wrong, "in data.classes", "in the weights")
        raise ValueError(
            f"data.classes and {self.source} disagree: {rows}. Images would get the labels of other classes. {remedy}"
        )

    def check_start(self, data: ClassList) -> None:
        """Refuse to tune a class on a kept row that stands for another class.

        Args:
            data: The classes to tune on.

        Raises:
            ValueError: Naming rows, both classes and the keys that start the classes anew.
        """
        wrong = self._disagreements(data)
        if wrong:
            rows = name_disagreements(wrong, "in the data", "in the weights")
            custom = "" if self.recorded else " (1000 classes, so ImageNet's)"
            raise ValueError(
                f"The data and {self.source}{custom} disagree: {rows}. With `model.label_rows: keep` each class "
                "would start as another one. For classes of your own set `model.label_rows: new` and "
                f"`model.var.num_classes: {max(data.rows) + 1}`, which starts all from the mean; or name ImageNet's "
                "classes by their WordNet ids, and give others their rows in a classes.json (`data.classes`)."
            )

    def and_then(self, data: ClassList) -> ClassList:
        """What the rows stand for after tuning on more classes, in the order of the rows."""
        before = self.classes.entries if self.classes is not None else ()
        of_row = {entry.row: entry for entry in (*before, *data.entries)}
        return ClassList(tuple(of_row[row]._replace(cls=cls) for cls, row in enumerate(sorted(of_row))))

    def _disagreements(self, asked: ClassList) -> list[Disagreement]:
        """Rows known to stand for another class."""
        if self.classes is None:
            return []
        return [pair for pair in disagreements(asked, self.classes) if pair.known is not None]


def known_classes(checkpoint: str, *, key: str = "checkpoint", num_classes: int | None = None) -> KnownClasses:
    """What a VAR's file says about its class rows; without a word, 1000 classes are ImageNet's.

    Args:
        checkpoint: As for `load_var`.
        key: Configuration key to name in errors.
        num_classes: Classes of the file, where they are known already; None reads the file, if that is necessary.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or is not a VAR.
    """
    path, source = resolve(checkpoint, key=key), f"{key}={checkpoint!r}"
    recorded = recorded_classes(read_record(path, key=key), source=source)
    if recorded is not None:
        return KnownClasses(recorded, source=source)
    if num_classes is None:
        num_classes = len(read_var_tensors(checkpoint, key=key)[EMBEDDING]) - 1
    by_custom = load_classes(IMAGENET) if num_classes == CLASSES else None
    return KnownClasses(by_custom, recorded=by_custom is None, source=source)


def recorded_classes(record: Mapping[str, object], *, source: str) -> ClassList | None:
    """The class list among what a file says beside its weights; None if it is not there.

    Args:
        record: See `read_record`.
        source: What to name in errors.

    Raises:
        ValueError: If it is none.
    """
    text = record.get(CLASS_LIST)
    if not isinstance(text, str):
        return None
    try:
        values = parse_json(text.encode())
        if not isinstance(values, list):
            raise ValueError(f"a {type(values).__name__}, expected a list")
        return ClassList.from_json(values)
    except ValueError as error:
        raise ValueError(f"{source}: its list of classes is damaged ({error}). Export the weights again.") from error


def class_record(classes: ClassList) -> dict[str, str]:
    """What `recorded_classes` reads."""
    return {CLASS_LIST: json.dumps(classes.to_json(), ensure_ascii=False)}
