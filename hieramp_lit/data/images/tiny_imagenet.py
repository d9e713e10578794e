"""Tiny-ImageNet (200 classes, 64×64 pixels) in its published layout.

``wnids.txt`` lists the classes, ``words.txt`` names them; training images are ``train/WNID/images/….JPEG``, validation
images ``val/images/….JPEG`` with their classes in ``val/val_annotations.txt``.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from lightning.pytorch.utilities import rank_zero_info

from hieramp_lit.classes import ClassList, Rows, load_classes
from hieramp_lit.data.images.crop import Filter
from hieramp_lit.data.images.folder import FolderSource, ImageFile
from hieramp_lit.data.images.reading import UnreadableImageError, find_images, find_unreadable
from hieramp_lit.data.images.source import ArraySource, ByteArray, ImageSource
from hieramp_lit.data.images.source_data import Crops, SourceDataModule

SIDE = 64


class TinyImageNetDataModule(SourceDataModule):
    """Tiny-ImageNet: 100000 training and 10000 validation images of 64×64 pixels, 200 classes.

    Args:
        root: Folder ``tiny-imagenet-200`` as the archive unpacks.
        image_size: Side of the square images in pixels; the tokenizer's.
        short_side: Side before the crop: `var` (1.125 × `image_size`, the reference's tuning), `evaluation`
            (``image_size // 7 · 8``) or a number of pixels.
        filter: Kernel that resizes: `lanczos`, `bicubic` or `bilinear`; null as `short_side` says (bilinear for
            `evaluation`, else Lanczos).
        padding: Black pixels around the resized image before a training crop.
        flip: Mirror every other training image.
        classes: Class list, see `classes.load_classes`, by WordNet id or name; null takes those of ``wnids.txt``, in
            its order. Images of classes that the list does not have are left out.
        label: `row`, what generators take (row of the label embedding), or `cls`, what students learn (0, 1, …).
        unreadable: `error` stops with the names of the files that cannot be read; `skip` does without them and warns
            with their number and names.
        in_memory: Decode all images once, into 1.2 GB for each process that trains and 0.1 GB for validation. Without,
            each is decoded when its turn comes.
        check: Without `in_memory`, decode every file once before training, so that unreadable ones are known.
        batch_size: Images per batch and device.
        num_workers: Processes that decode and resize, per device; 0 does it in the main process. Batches do not depend
            on it.
        seed: Decides order and crops.
        class_rows: Rows of the label embedding: `imagenet` gives ImageNet's classes theirs, `own` counts 0, 1, 2, …,
            for generators trained from scratch; see `classes`.

    Raises:
        ValueError: If a number or word is out of range, a file of the layout is missing or means an unknown class.
        UnreadableImageError: If files cannot be read and `unreadable` is `error`.
    """

    def __init__(
        self,
        root: str,
        image_size: int = 64,
        short_side: Literal["var", "evaluation"] | int = "var",
        filter: Filter | None = None,
        padding: int = 0,
        flip: bool = False,
        classes: str | list[str | int] | None = None,
        label: Literal["row", "cls"] = "row",
        unreadable: Literal["error", "skip"] = "error",
        in_memory: bool = True,
        check: bool = True,
        batch_size: int = 64,
        num_workers: int = 0,
        seed: int = 0,
        class_rows: Rows = "imagenet",
    ) -> None:
        self._root = Path(root).expanduser()
        self._in_memory = in_memory
        crops = Crops.of(image_size, short_side, flip, seed, filter, padding)
        known = tiny_imagenet_classes(self._root, classes, class_rows)
        super().__init__(known, crops, label, unreadable, in_memory or check, 0.1, batch_size, num_workers, seed)

    def open_train(self) -> FolderSource:
        """List the training files."""
        return list_tiny_imagenet(self._root, "train", self.classes, self.label)

    def open_val(self) -> FolderSource:
        """List the validation files."""
        return list_tiny_imagenet(self._root, "val", self.classes, self.label)

    def _readable(self, source: ImageSource) -> ImageSource:
        if not self._in_memory or not isinstance(source, FolderSource):
            return super()._readable(source)
        rank_zero_info(f"Decoding {len(source)} images …")
        images, reasons = _decoded(source)
        kept = self._without(source, reasons)
        if reasons:
            images = images[[place for place in range(len(source)) if place not in reasons]]
        return ArraySource(images, kept.labels, kept.names)


def tiny_imagenet_classes(
    root: Path, classes: str | list[str | int] | None = None, rows: Rows = "imagenet", key: str = "data.root"
) -> ClassList:
    """The class list: the one named, or that of ``wnids.txt``.

    Raises:
        ValueError: If ``wnids.txt`` is missing or names no class, or `classes` names none.
    """
    if classes is not None:
        return load_classes(classes, rows, lambda: tiny_imagenet_classes(root, key=key))
    wnids = _lines(root, "wnids.txt", key)
    named = ClassList.of_names(wnids, rows)
    words = root / "words.txt"
    if not words.is_file():
        return named
    names = dict(line.split("\t", 1) for line in words.read_text(encoding="utf-8").splitlines() if "\t" in line)

    def name(wnid: str | None, known: str) -> str:
        return names.get(wnid or "", known).split(",")[0].strip()

    return ClassList(tuple(entry._replace(name=name(entry.wnid, entry.name)) for entry in named.entries))


def list_tiny_imagenet(
    root: Path,
    split: Literal["train", "val"],
    classes: ClassList,
    label: Literal["row", "cls"],
    key: str = "data.root",
) -> FolderSource:
    """The files of one part and their labels, in the order of the class list; validation files by name.

    Args:
        root: Folder ``tiny-imagenet-200``.
        split: Training or validation images.
        classes: Knows classes by WordNet id; images of others are left out.
        label: Which number of the class to take.
        key: Configuration key of `root`, to name in errors.

    Raises:
        ValueError: If a file or folder of the layout is missing, or a file's class is not in ``wnids.txt``.
    """
    wnids = set(_lines(root, "wnids.txt", key))
    number_of = {entry.wnid: getattr(entry, label) for entry in classes.entries}
    strange = [entry.name for entry in classes.entries if entry.wnid not in wnids]
    if strange:
        raise ValueError(
            f"data.classes: {len(strange)} of {len(classes)} classes are not in {root / 'wnids.txt'}: {strange[:12]}. "
            "Name classes of Tiny-ImageNet by WordNet id, or give null for all."
        )
    files = _train_files(root, number_of, key) if split == "train" else _val_files(root, wnids, number_of, key)
    if len(classes) < len(wnids):
        rank_zero_info(f"{key}: {len(files)} images of {len(classes)} of {len(wnids)} classes are taken for {split}.")
    return FolderSource.of(root, files)


def _train_files(root: Path, number_of: dict[str | None, int], key: str) -> list[ImageFile]:
    files = []
    for wnid, number in number_of.items():
        images, _ = find_images(root / "train" / str(wnid))
        if not images:
            raise ValueError(
                f"{key}: {root / 'train' / str(wnid) / 'images'} holds no images. Unpack the archive anew."
            )
        files += [ImageFile(path, number) for path in images]
    return files


def _val_files(root: Path, wnids: set[str], number_of: dict[str | None, int], key: str) -> list[ImageFile]:
    files = []
    for line in sorted(_lines(root, "val/val_annotations.txt", key)):
        name, _, rest = line.partition("\t")
        wnid = rest.split("\t")[0]
        if wnid not in wnids or Path(name).name != name:
            raise ValueError(
                f"{key}: {root / 'val/val_annotations.txt'} has the line {line[:80]!r}; expected a file's name, a tab "
                "and a WordNet id of wnids.txt. Unpack the archive anew."
            )
        if wnid in number_of:
            files.append(ImageFile(root / "val" / "images" / name, number_of[wnid]))
    missing = [file.path.name for file in files if not file.path.is_file()]
    if missing:
        raise ValueError(f"{key}: {root / 'val/images'} lacks {len(missing)} listed images: {missing[:12]}.")
    found = {file.label for file in files}
    unjudged = [wnid for wnid, number in number_of.items() if number not in found]
    if unjudged:
        raise ValueError(
            f"{key}: {root / 'val/val_annotations.txt'} lists no image of {len(unjudged)} classes: {unjudged[:12]}. "
            "Unpack the archive anew."
        )
    return files


def _lines(root: Path, name: str, key: str) -> list[str]:
    path = root / name
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    if not any(lines):
        raise ValueError(
            f"{key}: {path} is missing or empty. Give the folder tiny-imagenet-200 of the published archive, with "
            "wnids.txt, train and val in it."
        )
    return [line for line in lines if line]


def _decoded(source: FolderSource) -> tuple[ByteArray, dict[int, str]]:
    """The images of files, and the reason for each that cannot be read or has another size."""
    images = np.zeros((len(source), SIDE, SIDE, 3), dtype=np.uint8)

    def read(place: int) -> None:
        image = source.read(place)
        if image.size != (SIDE, SIDE):
            raise UnreadableImageError(f"{source.name(place)}: {image.width} × {image.height} pixels, expected {SIDE}²")
        images[place] = np.asarray(image)

    return images, find_unreadable(read, len(source))
