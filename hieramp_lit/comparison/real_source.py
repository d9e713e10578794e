"""Where random real images come from: the training part of the data whose other part judges the students."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hieramp_lit.classes import ClassList, Rows
from hieramp_lit.data.images.folder import folder_classes

FLAG = "--real CONFIG"

Arguments = Mapping[str, Any]


def derive_images(judges: str, arguments: Arguments, classes: ClassList, class_file: Path, side: int) -> dict[str, Any]:
    """The real images, as ``model.generator.init_args.data`` of a predict configuration.

    Args:
        judges: Name of the class of ``data.validation``.
        arguments: Its arguments.
        classes: Of the set that they are compared with.
        class_file: The same as a file.
        side: Of its images in pixels.

    Raises:
        ValueError: If they cannot be told from the images that judge.
    """
    known: dict[str, Callable[[Arguments, ClassList, Path, int], tuple[str, dict[str, Any]]]] = {
        "DigitsDataModule": _digits,
        "CIFARDataModule": _cifar,
        "ImageFolderDataModule": _folder,
        "TinyImageNetDataModule": _tiny_imagenet,
        "WebDatasetDataModule": _web,
    }
    if judges not in known:
        raise ValueError(
            f"data.validation is {judges or None}, and random real images can be taken from the training part of "
            f"{', '.join(known)} only. Name a configuration that makes them by {FLAG}, or say --no-random-real."
        )
    name, given = known[judges](arguments, classes, class_file, side)
    return {"class_path": name, "init_args": given}


def _digits(arguments: Arguments, classes: ClassList, class_file: Path, side: int) -> tuple[str, dict[str, Any]]:
    return "DigitsImages", {"split": "train" if arguments["validation"] == "test" else "fit"}


def _cifar(arguments: Arguments, classes: ClassList, class_file: Path, side: int) -> tuple[str, dict[str, Any]]:
    return "CIFARImages", {
        "root": _place(arguments["root"]),
        "dataset": arguments["dataset"],
        "image_size": side,
        "split": "train" if arguments["validation"] == "test" else "fit",
        "classes": str(class_file),
    }


def _folder(arguments: Arguments, classes: ClassList, class_file: Path, side: int) -> tuple[str, dict[str, Any]]:
    _refuse_held_out(arguments)
    root = Path(_place(arguments["train"]))
    every = folder_classes(root, arguments["classes"], _rows(arguments), "data.validation.train")
    chosen: str | list[str] = str(class_file)
    if len(every) > len(classes) and all(entry.imagenet_index is None for entry in every.entries):
        chosen = [entry.wnid or entry.name for entry in classes.entries]  # words: other folders are then left out
    return "FolderImages", {"root": str(root), "image_size": side, "classes": chosen}


def _tiny_imagenet(arguments: Arguments, classes: ClassList, class_file: Path, side: int) -> tuple[str, dict[str, Any]]:
    return "TinyImageNetImages", {
        "root": _place(arguments["root"]),
        "image_size": side,
        "classes": str(class_file),
    }


def _web(arguments: Arguments, classes: ClassList, class_file: Path, side: int) -> tuple[str, dict[str, Any]]:
    _refuse_held_out(arguments)
    # Labels may count the classes of the data's own list, so the data keep it. The plan's rows must then be its rows,
    # which the generator checks.
    kept = ("label_field", "label_numbers", "image_field", "index", "classes", "class_rows")
    return "WebDatasetImages", {
        "shards": arguments["train"],
        "image_size": side,
        **{name: arguments[name] for name in kept},
    }


def _refuse_held_out(arguments: Arguments) -> None:
    if arguments["val"] is None:
        raise ValueError(
            "data.validation.val is null: the images that judge are held out of data.validation.train, and random real "
            "images taken from there would hold some of them. Give validation images of their own, name a "
            f"configuration by {FLAG}, or say --no-random-real."
        )


def _place(root: str) -> str:
    return str(Path(root).expanduser().resolve())


def _rows(arguments: Arguments) -> Rows:
    rows: Rows = arguments["class_rows"]
    return rows
