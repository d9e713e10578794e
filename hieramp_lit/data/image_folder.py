"""Folders of images, one sub-folder per class.

Legend: ``B`` batch · ``H W`` pixels.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from hieramp_lit.classes import ClassList, class_folders, load_classes
from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.data.crop import ResizeCrop, evaluation_short_side, var_short_side
from hieramp_lit.data.loading import SampleKey
from hieramp_lit.data.module import ImageDataModule
from hieramp_lit.data.reading import SUFFIXES, UnreadableImageError, find_images, find_unreadable, read_image
from hieramp_lit.data.splits import stratified_split

MOST_NAMED = 20
KINDS = " ".join(sorted(SUFFIXES))
REMEDY = "Remove or repair the files, or set `data.unreadable: skip` to leave them out."


class ImageFile(NamedTuple):
    """One image and its label.

    Attributes:
        path: File.
        label: Class row or cls, as the data module was told.
    """

    path: Path
    label: int


class FolderSamples:
    """Image files as a source of batches.

    Args:
        files: Images and labels.
        transform: Makes equal squares of them.
        root: Folder that the files are in.
    """

    def __init__(self, files: Sequence[ImageFile], transform: ResizeCrop, root: Path) -> None:
        self.files = tuple(files)
        self._transform = transform
        self._root = root

    def __len__(self) -> int:
        """Number of images."""
        return len(self.files)

    def __getitem__(self, keys: Sequence[SampleKey]) -> ImageBatch:
        """The batch of these samples.

        Raises:
            UnreadableImageError: If a file cannot be read; it is named.
        """
        images = [torch.from_numpy(self._pixels(key)) for key in keys]
        return ImageBatch(torch.stack(images), torch.tensor([self.files[key.sample].label for key in keys]))

    def identity(self) -> dict[str, Any]:
        """What decides the images: names below the root, sizes in bytes and labels of the files, and their crops."""
        listed = hashlib.sha256()
        for file in self.files:
            name = os.fsencode(file.path.relative_to(self._root).as_posix())
            listed.update(b"%d %d %d " % (len(name), file.label, file.path.stat().st_size) + name)
        return {"images": {"count": len(self), "sha256": listed.hexdigest()}, "crop": asdict(self._transform)}

    def _pixels(self, key: SampleKey) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
        path = self.files[key.sample].path
        try:
            image = read_image(path)
        except UnreadableImageError as error:
            raise UnreadableImageError(f"Cannot read an image: {error}. {REMEDY}") from error
        return np.ascontiguousarray(np.asarray(self._transform(image, key)).transpose(2, 0, 1))


class ImageFolderDataModule(ImageDataModule):
    """Images in folders: ``train/CLASS/….jpg``. Any size, any common format, see `read_image`.

    Training images: short side to `short_side`, random crop, as in the reference; validation images: centre crop.

    Args:
        train: Folder with one sub-folder of images per class (images may lie deeper in it).
        val: The same for validation; null holds out `val_fraction` of the training images, of each class in proportion.
        image_size: Side of the square images in pixels; the tokenizer's.
        val_fraction: Share of the training images to hold out where `val` is null, above 0 and below 1.
        short_side: Short side before the crop: `var` (1.125 × `image_size`, the reference's tuning), `evaluation`
            (``image_size // 7 · 8``, the students' validation; resized bilinearly as there, else by Lanczos) or a
            number of pixels.
        flip: Mirror every other training image; the reference's tuning does not.
        classes: Class list, see `classes.load_classes`: ``imagenet``, ``imagewoof``, …, a list or file of ImageNet's
            classes, a classes.json, another folder; null takes the sub-folders of `train` in sorted order. Folders are
            found in it by WordNet id or name. Give one where the generator knows more classes than the folder has.
        label: `row`, what generators take (row of the label embedding), or `cls`, what students learn (0, 1, …).
        unreadable: `error` stops with the names of the files that cannot be read; `skip` leaves them out and warns with
            their number and names.
        check: Decode every file once before training, so that unreadable ones are known. Without, an unreadable file
            stops the run when its turn comes; `skip` needs the check. Takes minutes for a million images.
        batch_size: Images per batch and device.
        num_workers: Processes that decode, per device; 0 decodes in the main process. Batches do not depend on it.
        seed: Decides order, crops and the held-out images.

    Raises:
        ValueError: If a number or word is out of range, a folder is missing or holds no images, or a folder's class is
            not in the class list.
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
    ) -> None:
        super().__init__(batch_size, num_workers, seed)
        if not 0 < val_fraction < 1:
            raise ValueError(f"data.val_fraction={val_fraction}: expected a share above 0 and below 1.")
        if label not in ("row", "cls") or unreadable not in ("error", "skip"):
            raise ValueError(
                f"data.label={label!r}, data.unreadable={unreadable!r}: expected 'row' or 'cls', and 'error' or 'skip'."
            )
        if unreadable == "skip" and not check:
            raise ValueError("data.unreadable='skip' needs `data.check: true`: what to skip must be known beforehand.")
        sides = {"var": var_short_side(image_size), "evaluation": evaluation_short_side(image_size)}
        if isinstance(short_side, str) and short_side not in sides:
            raise ValueError(f"data.short_side={short_side!r}: expected {', '.join(sides)} or a number of pixels.")
        side = sides[short_side] if isinstance(short_side, str) else short_side
        kernel: Literal["lanczos", "bilinear"] = "bilinear" if short_side == "evaluation" else "lanczos"
        self._train_transform = ResizeCrop(image_size, side, random=True, flip=flip, seed=seed, filter=kernel)
        self._val_transform = ResizeCrop(image_size, side, filter=kernel)
        self._train_root = Path(train).expanduser()
        self._val_root = Path(val).expanduser() if val is not None else None
        self._val_fraction = val_fraction
        self.label = label
        self._unreadable = unreadable
        self._check = check
        self.classes = (
            load_classes(classes) if classes is not None else ClassList.from_folder(self._train_root, "data.train")
        )
        self._files: tuple[list[ImageFile], list[ImageFile]] | None = None

    def setup(self, stage: str) -> None:
        """List the files, check them, and split them, once."""
        if self._files is not None:
            return
        train = self._readable(list_images(self._train_root, self.classes, self.label, "data.train"))
        if self._val_root is not None:
            self._files = train, self._readable(list_images(self._val_root, self.classes, self.label, "data.val"))
            return
        labels = [file.label for file in train]
        held_out = max(1, round(self._val_fraction * len(train)))
        kept, out = stratified_split(labels, held_out, "folder", self.seed)
        self._files = [train[i] for i in kept], [train[i] for i in out]
        lost = sorted(set(labels) - {file.label for file in self._files[0]})
        if lost:
            raise ValueError(
                f"data.val_fraction={self._val_fraction} holds out all images of classes labelled {lost[:12]}: none "
                "would be trained on. Lower it, add images, or give `data.val`."
            )

    def train_samples(self) -> FolderSamples:
        """Training images, cropped at random."""
        return FolderSamples(self._listed[0], self._train_transform, self._train_root)

    def val_samples(self) -> FolderSamples:
        """Validation images, cropped in the centre."""
        return FolderSamples(self._listed[1], self._val_transform, self._val_root or self._train_root)

    def test_samples(self) -> FolderSamples:
        """The validation images."""
        return self.val_samples()

    @property
    def _listed(self) -> tuple[list[ImageFile], list[ImageFile]]:
        if self._files is None:
            raise RuntimeError("Call `setup` before asking for images; a Trainer does.")
        return self._files

    def _readable(self, files: list[ImageFile]) -> list[ImageFile]:
        if not self._check:
            return files
        rank_zero_info(f"Checking {len(files)} images (`data.check: false` does without) …")
        reasons = find_unreadable([file.path for file in files])
        if not reasons:
            return files
        found = f"{len(reasons)} of {len(files)} images cannot be read:\n{_named(list(reasons.values()))}"
        if self._unreadable == "error":
            raise UnreadableImageError(f"{found}\n{REMEDY}")
        if len(reasons) == len(files):
            raise UnreadableImageError(f"{found}\nNothing is left to train on.")
        rank_zero_warn(f"{found}\nThey are left out.")
        return [file for file in files if file.path not in reasons]


def list_images(root: Path, classes: ClassList, label: Literal["row", "cls"], key: str = "root") -> list[ImageFile]:
    """All images below the class folders of `root`, in sorted order.

    Images in no class folder, linked folders inside of one, and files of unknown kinds are left out with a warning that
    counts and names them, see `find_images`.

    Args:
        root: Folder with one sub-folder per class.
        classes: Where to find each sub-folder's class, by WordNet id or name.
        label: Which number of the class to take.
        key: Configuration key of `root`, to name in errors.

    Raises:
        ValueError: If a sub-folder is in no class or could be in several, or one holds no images.
    """
    by_name = {entry.name: entry for entry in classes.entries}
    by_name |= {entry.wnid: entry for entry in classes.entries if entry.wnid is not None}
    names = class_folders(root, key)
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise ValueError(
            f"{key}: {root} has {len(unknown)} folders that are in no class of the class list: {unknown[:12]}. "
            f"The classes are {list(by_name)[:12]} … Rename the folders or give another `data.classes`."
        )
    shared = [name for name in names if sum(name in (entry.name, entry.wnid) for entry in classes.entries) > 1]
    if shared:
        raise ValueError(
            f"{key}: {root} has the folders {shared[:12]}, and the class list has several classes of such a name. Name "
            "these folders by WordNet id, or make the names in the class list differ."
        )
    files: list[ImageFile] = []
    left_out = sorted(path for path in root.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    for name in names:
        number = getattr(by_name[name], label)
        images, others = find_images(root / name)
        if not images:
            there = f", but {len(others)} files of other kinds:\n{_named(others)}\n" if others else ". "
            raise ValueError(f"{key}: {root / name} holds no images{there}Known kinds: {KINDS}.")
        files += [ImageFile(path, number) for path in images]
        left_out += others
    if left_out:
        rank_zero_warn(
            f"{key}: {root} has {len(left_out)} files or linked folders that are left out, beside {len(files)} images:"
            f"\n{_named(left_out)}\nKnown kinds: {KINDS}. Convert images of other kinds, move images into a folder of "
            "their class, put folders in the place of links to them, and move away other files."
        )
    return files


def _named(lines: Sequence[object]) -> str:
    """One line each, the first ones only."""
    more = [f"… and {len(lines) - MOST_NAMED} more"] if len(lines) > MOST_NAMED else []
    return "\n".join(f"  {line}" for line in [*lines[:MOST_NAMED], *more])
