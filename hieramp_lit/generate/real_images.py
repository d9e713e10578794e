"""Where random real images come from: folders, shards, and the small data sets in their published layouts."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from hieramp_lit.classes import ClassList, Rows, are_words, load_classes
from hieramp_lit.generate.real import RealImages
from hieramp_lit.shards.encode import encode_json
from hieramp_lit.shards.identity import content_sha256

if TYPE_CHECKING:  # data modules bring Lightning with them, so they are imported when they are needed
    from hieramp_lit.data.images.source import ImageSource

KEY = "model.generator.data"


class StoredImages(RealImages):
    """Images of a source, each cut to its largest square in the centre and resized by Lanczos.

    Args:
        source: The images; their labels are class rows.
        classes: Which class each row is.
        image_size: Side in pixels that squares are brought to.
    """

    def __init__(self, source: "ImageSource", classes: ClassList, image_size: int) -> None:
        from hieramp_lit.data.images.crop import ResizeCrop

        self.classes = classes
        self._source = source
        self._crop = ResizeCrop(image_size, image_size)

    @property
    @abstractmethod
    def name(self) -> str:
        """What the identity calls the data set."""

    def rows(self) -> Tensor:
        """Class row of every image."""
        return torch.from_numpy(self._source.labels)

    def pixels(self, chosen: Sequence[int]) -> Tensor:
        """RGB pixels of these images.

        Raises:
            UnreadableImageError: If an image cannot be read; it is named.
        """
        from hieramp_lit.data.loading import SampleKey

        squares = [self._crop(self._source.read(place), SampleKey(0, place)) for place in chosen]
        return torch.stack([torch.from_numpy(np.array(square)) for square in squares])

    def image_name(self, place: int) -> str:
        """The file, or shard and key."""
        return self._source.name(place)

    def identity(self) -> dict[str, Any]:
        """Name, size of the squares, number of the images and a checksum, see `ImageSource.identity`."""
        images = self._source.identity()
        return {
            "name": self.name,
            "image_size": self._crop.image_size,
            "images": images["count"],
            "sha256": images["sha256"],
        }


class FolderImages(StoredImages):
    """Images in folders, ``CLASS/….jpg``, each cut to its largest square in the centre.

    Args:
        root: Folder with one sub-folder of images per class; the training images.
        image_size: Side in pixels that squares are brought to (Lanczos).
        classes: Class list that knows the sub-folders by WordNet id or name, see `classes.load_classes`; null takes
            the sub-folders in sorted order. Use the plan's.
        class_rows: Rows of the label embedding, `imagenet` or `own`, see `classes`; the plan's.

    Raises:
        ValueError: If there is no such folder, a sub-folder is empty or no class, or a class has no folder.
    """

    def __init__(
        self,
        root: str,
        image_size: int = 256,
        classes: str | list[str | int] | None = None,
        class_rows: Rows = "imagenet",
    ) -> None:
        from hieramp_lit.data.images.folder import FolderSource, folder_classes, list_images

        place = Path(root).expanduser()
        known = folder_classes(place, classes, class_rows, f"{KEY}.root")
        files = list_images(place, known, "row", key=f"{KEY}.root", complete=True, chosen=are_words(classes))
        self._folder: FolderSource = FolderSource.of(place, files)
        super().__init__(self._folder, known, image_size)

    @property
    def name(self) -> str:
        """``folder``."""
        return "folder"

    def image_name(self, place: int) -> str:
        """The file below the folder."""
        return self._folder.names[place]

    def identity(self) -> dict[str, Any]:
        """Size of the squares, and a checksum over names, sizes and class rows of the files, not over their content."""
        root, files = self._folder.root, self._folder.files
        listed = [[file.path.relative_to(root).as_posix(), file.path.stat().st_size, file.label] for file in files]
        return {**super().identity(), "sha256": content_sha256(encode_json(listed))}


class WebDatasetImages(StoredImages):
    """Images in uncompressed tar shards of this machine, see `data.WebDatasetDataModule`.

    Args:
        shards: The shards of the training images: paths with ``*`` or braces, or a folder.
        classes: Class list; the plan's.
        image_size: Side in pixels that squares are brought to (Lanczos).
        label_field: Field of the label.
        label_numbers: What numbers in it count, `cls` or `imagenet`.
        image_field: Field of the image; null takes the one of a known kind.
        index: File that keeps the list of the shards; null keeps none.
        class_rows: Rows of the label embedding, `imagenet` or `own`, see `classes`; the plan's.

    Raises:
        ValueError: If a shard is missing, damaged, compressed or far away, or a label is no class.
    """

    def __init__(
        self,
        shards: str | list[str],
        classes: str | list[str | int],
        image_size: int = 256,
        label_field: str = "cls",
        label_numbers: Literal["cls", "imagenet"] = "cls",
        image_field: str | None = None,
        index: str | None = None,
        class_rows: Rows = "imagenet",
    ) -> None:
        from hieramp_lit.data.web.index import list_shards, open_shards
        from hieramp_lit.data.web.labels import LabelMeaning
        from hieramp_lit.data.web.shards import Fields, find_shards

        found = find_shards(shards, f"{KEY}.shards")
        if not found.indexable:
            raise ValueError(
                f"{KEY}.shards: {found.urls[0]} … must be uncompressed shards of this machine: images are chosen among "
                "all. Copy them."
            )
        known = load_classes(classes, class_rows)
        kept = Path(index).expanduser() if index is not None else None
        listed = list_shards(found.paths, Fields(label_field, image_field), kept)
        source, _ = open_shards(found.paths, listed, LabelMeaning(known, "row", label_numbers))
        super().__init__(source, known, image_size)

    @property
    def name(self) -> str:
        """``webdataset``."""
        return "webdataset"


class CIFARImages(StoredImages):
    """Training images of CIFAR-10 or CIFAR-100, see `data.CIFARDataModule`.

    Args:
        root: Folder that holds ``cifar-10-batches-py`` or ``cifar-100-python``.
        dataset: `cifar10` or `cifar100`.
        image_size: Side in pixels; 32 keeps the images.
        split: All 50000 `train` images, or the 45000 `fit` that are left when settings are chosen on the others.
        classes: Class list by the published names; null takes all classes. Use the plan's.
        class_rows: Rows of the label embedding, `imagenet` or `own`, see `classes`; the plan's.

    Raises:
        ValueError: If a word is another one, or a file is missing or not the published one.
    """

    def __init__(
        self,
        root: str,
        dataset: Literal["cifar10", "cifar100"] = "cifar10",
        image_size: int = 32,
        split: Literal["train", "fit"] = "train",
        classes: str | list[str | int] | None = None,
        class_rows: Rows = "imagenet",
    ) -> None:
        from hieramp_lit.data.images.cifar import read_cifar, split_cifar

        if dataset not in ("cifar10", "cifar100") or split not in ("train", "fit"):
            raise ValueError(
                f"{KEY}.dataset={dataset!r}, {KEY}.split={split!r}: expected 'cifar10' or 'cifar100', and 'train' or "
                "'fit'."
            )
        self._dataset = dataset
        known = load_classes(dataset if classes is None else classes, class_rows, lambda: load_classes(dataset))
        source = read_cifar(Path(root).expanduser(), dataset, "train", known, "row", f"{KEY}.root")
        super().__init__(split_cifar(source)[0] if split == "fit" else source, known, image_size)

    @property
    def name(self) -> str:
        """The data set's."""
        return self._dataset


class TinyImageNetImages(StoredImages):
    """Training images of Tiny-ImageNet, see `data.TinyImageNetDataModule`.

    Args:
        root: Folder ``tiny-imagenet-200``.
        image_size: Side in pixels; 64 keeps the images.
        classes: Class list by WordNet id; null takes that of ``wnids.txt``. Use the plan's.
        class_rows: Rows of the label embedding, `imagenet` or `own`, see `classes`; the plan's.

    Raises:
        ValueError: If a file of the layout is missing.
    """

    def __init__(
        self,
        root: str,
        image_size: int = 64,
        classes: str | list[str | int] | None = None,
        class_rows: Rows = "imagenet",
    ) -> None:
        from hieramp_lit.data.images.tiny_imagenet import list_tiny_imagenet, tiny_imagenet_classes

        place = Path(root).expanduser()
        known = tiny_imagenet_classes(place, classes, class_rows, f"{KEY}.root")
        super().__init__(list_tiny_imagenet(place, "train", known, "row", f"{KEY}.root"), known, image_size)

    @property
    def name(self) -> str:
        """``tiny_imagenet``."""
        return "tiny_imagenet"
