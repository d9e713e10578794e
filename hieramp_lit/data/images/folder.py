"""Folders of images, one sub-folder per class."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from PIL import Image

from hieramp_lit.classes import ClassEntry, ClassList, Rows, are_words, class_folders, load_classes
from hieramp_lit.classes.imagenet import by_wnid
from hieramp_lit.data.images.crop import Filter
from hieramp_lit.data.images.reading import SUFFIXES, find_images, read_image
from hieramp_lit.data.images.source import ImageSource, IntArray, PackedNames
from hieramp_lit.data.images.source_data import Crops, SourceDataModule
from hieramp_lit.data.images.unreadable import named

KINDS = " ".join(sorted(SUFFIXES))


class ImageFile(NamedTuple):
    """One image and its label.

    Attributes:
        path: File.
        label: Class row or cls, as was asked for.
    """

    path: Path
    label: int


class FolderSource(ImageSource):
    """Image files.

    Args:
        root: Folder that they are in.
        names: Their paths below it.
        labels: Their labels.
    """

    def __init__(self, root: Path, names: PackedNames, labels: Sequence[int] | IntArray) -> None:
        super().__init__(labels)
        self.root = root
        self.names = names

    @classmethod
    def of(cls, root: Path, files: Sequence[ImageFile]) -> "FolderSource":
        """These files."""
        names = PackedNames(file.path.relative_to(root).as_posix() for file in files)
        return cls(root, names, [file.label for file in files])

    @property
    def files(self) -> list[ImageFile]:
        """All files and their labels."""
        return [ImageFile(self.root / name, int(label)) for name, label in zip(self.names, self.labels, strict=True)]

    def name(self, place: int) -> str:
        """The file's path."""
        return str(self.root / self.names[place])

    def read(self, place: int) -> Image.Image:
        """An image, see `reading.read_image`."""
        return read_image(self.root / self.names[place])

    def identity(self) -> dict[str, Any]:
        """Number, and a checksum over names below the root, sizes in bytes and labels, not over the content."""
        listed = hashlib.sha256()
        for file in self.files:
            name = os.fsencode(file.path.relative_to(self.root).as_posix())
            listed.update(b"%d %d %d " % (len(name), file.label, file.path.stat().st_size) + name)
        return {"count": len(self), "sha256": listed.hexdigest()}

    def subset(self, places: Sequence[int]) -> "FolderSource":
        """Some of the files."""
        return FolderSource(self.root, self.names.subset(places), self.labels[list(places)])


class ImageFolderDataModule(SourceDataModule):
    """Images in folders: ``train/CLASS/….jpg``. Any size, any common format, see `read_image`.

    Training images: short side to `short_side`, random crop, as in the reference; validation images: centre crop.

    Args:
        train: Folder with one sub-folder of images per class (images may lie deeper in it).
        val: The same for validation, with a folder for each class; null holds out `val_fraction` of the training
            images, of each class in proportion.
        image_size: Side of the square images in pixels; the tokenizer's.
        val_fraction: Share of the training images to hold out where `val` is null, above 0 and below 1.
        short_side: Short side before the crop: `var` (1.125 × `image_size`, the reference's tuning), `evaluation`
            (``image_size // 7 · 8``, the students' validation; resized bilinearly as there, else by Lanczos) or a
            number of pixels.
        flip: Mirror every other training image; the reference's tuning does not.
        classes: Class list, see `classes.load_classes`: ``imagenet``, ``imagewoof``, …, a list or text file of
            sub-folders of `train` or of ImageNet's classes, a classes.json, another folder; null takes the sub-folders
            of `train` in sorted order. Folders are found in it by WordNet id or name, and each class must have one in
            `train` and in `val`. Folders of other classes of ImageNet are left out: ``imagewoof`` takes ten of
            ImageNet's thousand; beside a list or text file any others are.
        label: `row`, what generators take (row of the label embedding), or `cls`, what students learn (0, 1, …).
        unreadable: `error` stops with the names of the files that cannot be read; `skip` does without them and warns
            with their number and names. What the check finds is left out. What is met in training, without the check,
            gives its place to another image of its class, drawn from (seed, epoch, sample); in validation it is left
            out.
        check: Decode every file once before training, so that unreadable ones are known; devices share the work. All of
            ImageNet-1K takes half an hour of one core, and as long as the disk needs for 140 GB.
        batch_size: Images per batch and device.
        num_workers: Processes that decode, per device; 0 decodes in the main process. Batches do not depend on it.
        seed: Decides order, crops and the held-out images.
        filter: Kernel that resizes, with antialias: `lanczos`, `bicubic` or `bilinear`; null as `short_side` says.
        class_rows: Rows of the label embedding: `imagenet` gives ImageNet's classes theirs, `own` counts 0, 1, 2, …,
            for generators trained from scratch; see `classes`.

    Raises:
        ValueError: If a number or word is out of range, a folder is missing or holds no images, a folder is no class,
            or a class has no folder.
        UnreadableImageError: If files cannot be read and `unreadable` is `error`.
    """

    def __init__(
        self,
        train: str,
        val: str | None = None,
        image_size: int = 256,
        val_fraction: float = 0.1,
        short_side: Literal["var", "evaluation"] | int = "var",
        flip: bool = False,
        classes: str | list[str | int] | None = None,
        label: Literal["row", "cls"] = "row",
        unreadable: Literal["error", "skip"] = "error",
        check: bool = True,
        batch_size: int = 64,
        num_workers: int = 4,
        seed: int = 0,
        filter: Filter | None = None,
        class_rows: Rows = "imagenet",
    ) -> None:
        self._train_root = Path(train).expanduser()
        self._chosen = are_words(classes)
        self._val_root = Path(val).expanduser() if val is not None else None
        crops = Crops.of(image_size, short_side, flip, seed, filter)
        known = folder_classes(self._train_root, classes, class_rows, "data.train")
        super().__init__(known, crops, label, unreadable, check, val_fraction, batch_size, num_workers, seed)

    def open_train(self) -> FolderSource:
        """List the training folders; each class must have one."""
        return self._listed(self._train_root, "data.train")

    def open_val(self) -> FolderSource | None:
        """List the validation folders; each class must have one, lest accuracy be that of a few classes."""
        return self._listed(self._val_root, "data.val") if self._val_root is not None else None

    def _listed(self, root: Path, key: str) -> FolderSource:
        return FolderSource.of(root, list_images(root, self.classes, self.label, key, True, self._chosen))


def folder_classes(
    root: Path, classes: str | list[str | int] | None = None, rows: Rows = "imagenet", key: str = "root"
) -> ClassList:
    """The class list: the one named, or that of the sub-folders.

    Args:
        root: Folder with one sub-folder per class; a list's members are looked for among these first.
        classes: See `classes.load_classes`; None takes all sub-folders.
        rows: Which row each class gets, see `classes`.
        key: Configuration key of `root`, to name in errors.

    Raises:
        ValueError: If `classes` names none, or there are no sub-folders to take.
    """
    if classes is None:
        return ClassList.from_folder(root, key, rows)
    # who only validates may have no training images
    return load_classes(classes, rows, (lambda: ClassList.from_folder(root, key)) if root.is_dir() else None)


def list_images(
    root: Path,
    classes: ClassList,
    label: Literal["row", "cls"],
    key: str = "root",
    complete: bool = False,
    chosen: bool = False,
) -> list[ImageFile]:
    """All images below the class folders of `root`, in sorted order.

    Folders of other classes of ImageNet are left out, with a line that counts them. Images in no class folder, linked
    folders inside of one, and files of unknown kinds are left out with a warning that counts and names them, see
    `find_images`.

    Args:
        root: Folder with one sub-folder per class.
        classes: Where to find each sub-folder's class, by WordNet id or name.
        label: Which number of the class to take.
        key: Configuration key of `root`, to name in errors.
        complete: Whether each class must have a folder.
        chosen: Whether the classes were named one by one, so that folders of any others are left out as well.

    Raises:
        ValueError: If a sub-folder is no class (where none were chosen) or could be several, one holds no images, or a
            class has none.
    """
    entry_of = _match(root, classes, key, chosen)
    if complete:
        found = {entry.cls for entry in entry_of.values()}
        missing = [entry.wnid or entry.name for entry in classes.entries if entry.cls not in found]
        if missing:
            raise ValueError(
                f"{key}: {root} has no folder for {len(missing)} of the {len(classes)} classes: {missing[:12]}. "
                "Folders are named by WordNet id or name. Add them, or name in `data.classes` classes that have one."
            )
    files: list[ImageFile] = []
    left_out = sorted(path for path in root.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    for name, entry in entry_of.items():
        images, others = find_images(root / name)
        if not images:
            there = f", but {len(others)} files of other kinds:\n{named(others)}\n" if others else ". "
            raise ValueError(f"{key}: {root / name} holds no images{there}Known kinds: {KINDS}.")
        files += [ImageFile(path, getattr(entry, label)) for path in images]
        left_out += others
    if left_out:
        rank_zero_warn(
            f"{key}: {root} has {len(left_out)} files or linked folders that are left out, beside {len(files)} images:"
            f"\n{named(left_out)}\nKnown kinds: {KINDS}. Convert images of other kinds, move images into a folder of "
            "their class, put folders in the place of links to them, and move away other files."
        )
    return files


def _match(root: Path, classes: ClassList, key: str, chosen: bool) -> dict[str, ClassEntry]:
    """The class of each folder that is taken."""
    names = class_folders(root, key)
    by_name = {entry.name: entry for entry in classes.entries}
    by_name |= {entry.wnid: entry for entry in classes.entries if entry.wnid is not None}
    strange = [name for name in names if name not in by_name]
    of_imagenet = any(entry.imagenet_index is not None for entry in classes.entries)
    unknown = [name for name in strange if not (of_imagenet and name in by_wnid())]
    if (unknown and not chosen) or len(strange) == len(names):
        raise ValueError(
            f"{key}: {root} has {len(strange)} folders that are in no class of the class list: "
            f"{(unknown or strange)[:12]}. The classes are {list(by_name)[:12]} … Rename the folders or give another "
            "`data.classes`."
        )
    shared = [name for name in names if sum(name in (entry.name, entry.wnid) for entry in classes.entries) > 1]
    if shared:
        raise ValueError(
            f"{key}: {root} has the folders {shared[:12]}, and the class list has several classes of such a name. Name "
            "these folders by WordNet id, or make the names in the class list differ."
        )
    if strange:
        rank_zero_info(
            f"{key}: {len(names) - len(strange)} of {len(names)} folders of {root} are taken; {len(strange)} of other "
            f"classes{'' if unknown else ' of ImageNet'} are left out: {', '.join(strange[:3])}"
            f"{' …' if len(strange) > 3 else ''}"
        )
    return {name: by_name[name] for name in names if name in by_name}
