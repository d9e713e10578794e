"""CIFAR-10 and CIFAR-100, as published (https://www.cs.toronto.edu/~kriz/cifar.html) and read by torchvision.

The published files are Python pickles, and to unpickle a file is to run what it says. They are read all the same,
through torchvision's classes, because those compare each file's MD5 with that of the published one before they open it:
nothing but these very files is unpickled, and a changed or damaged one is refused by name.
"""

from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from lightning.pytorch.utilities import rank_zero_info

from hieramp_lit.classes import ClassList, Rows, load_classes
from hieramp_lit.data.images.crop import Filter
from hieramp_lit.data.images.source import ArraySource, ImageSamples, IntArray, PackedNames
from hieramp_lit.data.images.source_data import Crops, SourceDataModule
from hieramp_lit.data.splits import stratified_split

Name = Literal["cifar10", "cifar100"]
NUM_VALIDATION = 5000


class CIFARDataModule(SourceDataModule):
    """CIFAR-10 or CIFAR-100: 50000 training and 10000 test images of 32×32 pixels, in memory.

    For a VAR at 256² the images are enlarged (``image_size: 256``, ``short_side: var``); students take them as they are
    (``image_size: 32``, ``short_side: evaluation``), teachers usually with ``padding: 4`` and ``flip: true``.

    Args:
        root: Folder that holds ``cifar-10-batches-py`` or ``cifar-100-python``, or, with `download`, the published
            archive or nothing.
        dataset: `cifar10`, or `cifar100` with its hundred fine classes.
        image_size: Side of the square images in pixels; the tokenizer's.
        download: Fetch the archive where the files are missing. One that lies in `root` is only unpacked.
        validation: Images for validation during training: `test` trains on all training images and validates on the
            test images; `train_split` keeps 5000 training images, of each class in proportion and ever the same, for
            validation and trains on the others. Choose settings with `train_split`: the test images stay unseen.
        short_side: Side before the crop: `var` (1.125 × `image_size`, the reference's tuning), `evaluation`
            (``image_size // 7 · 8``) or a number of pixels.
        filter: Kernel that resizes: `lanczos`, `bicubic` or `bilinear`; null as `short_side` says (bilinear for
            `evaluation`, else Lanczos).
        padding: Black pixels around the resized image before a training crop.
        flip: Mirror every other training image.
        classes: Class list that knows the classes by the published names, see `classes.load_classes`: null takes the
            published one, on rows 0, 1, 2, …; a list of names, or a file with one a line, takes these classes alone, on
            their published rows; a classes.json gives other rows.
        label: `row`, what generators take (row of the label embedding), or `cls`, what students learn (0, 1, …).
        batch_size: Images per batch and device.
        num_workers: Processes that resize, per device; 0 resizes in the main process. Batches do not depend on it.
        seed: Decides order and crops.
        class_rows: `imagenet` keeps the rows of a classes.json, `own` counts them anew: 0, 1, 2, …

    Raises:
        ValueError: If a number or word is out of range, a file is missing or is not the published one, or a class is
            none of CIFAR's.
    """

    tested: ClassVar[str] = "test images"

    def __init__(
        self,
        root: str,
        dataset: Name = "cifar10",
        image_size: int = 256,
        download: bool = False,
        validation: Literal["test", "train_split"] = "test",
        short_side: Literal["var", "evaluation"] | int = "var",
        filter: Filter | None = None,
        padding: int = 0,
        flip: bool = False,
        classes: str | list[str | int] | None = None,
        label: Literal["row", "cls"] = "row",
        batch_size: int = 64,
        num_workers: int = 0,
        seed: int = 0,
        class_rows: Rows = "imagenet",
    ) -> None:
        if dataset not in get_args(Name) or validation not in ("test", "train_split"):
            raise ValueError(
                f"data.dataset={dataset!r}, data.validation={validation!r}: expected 'cifar10' or 'cifar100', and "
                "'test' or 'train_split'."
            )
        crops = Crops.of(image_size, short_side, flip, seed, filter, padding)
        # whole by their checksums: there is nothing to check image by image
        whole: tuple[Literal["error"], bool, float] = ("error", False, 0.1)
        known = load_classes(dataset if classes is None else classes, class_rows, lambda: load_classes(dataset))
        super().__init__(known, crops, label, *whole, batch_size, num_workers, seed)
        self._root = Path(root).expanduser()
        self._name: Name = dataset
        self._download = download
        self._held_out = validation == "train_split"
        self._test: ArraySource | None = None

    def prepare_data(self) -> None:
        """Fetch and unpack the files where they are missing and `download` is true, once a node."""
        if self._download:
            _dataset(self._name)(str(self._root), download=True)

    def setup(self, stage: str) -> None:
        """Read the images that the stage needs, once."""
        if self._held_out and self._train is None and stage != "test":
            self._train, self._val = split_cifar(self.open_train())
        elif self._held_out and stage == "test":
            self._test = self._test or self._read("test")
        else:
            super().setup(stage)

    def open_train(self) -> ArraySource:
        """The training images."""
        return self._read("train")

    def open_val(self) -> ArraySource:
        """The test images."""
        return self._read("test")

    def test_samples(self) -> ImageSamples:
        """The test images."""
        return self.evaluated(self._opened(self._test)) if self._held_out else self.val_samples()

    def _read(self, split: Literal["train", "test"]) -> ArraySource:
        return read_cifar(self._root, self._name, split, self.classes, self.label)


def read_cifar(
    root: Path,
    name: Name,
    split: Literal["train", "test"],
    classes: ClassList,
    label: Literal["row", "cls"],
    key: str = "data.root",
) -> ArraySource:
    """One part of the images, in the published order.

    Args:
        root: See `CIFARDataModule`.
        name: Which of the two.
        split: The 50000 training or the 10000 test images.
        classes: Knows classes by their published names; images of others are left out.
        label: Which number of the class to take.
        key: Configuration key of `root`, to name in errors.

    Raises:
        ValueError: If a file is missing or is not the published one, or a class is none of CIFAR's.
    """
    kind = _dataset(name)
    _check_files(kind, root, key)
    data = kind(str(root), train=split == "train")
    names = load_classes(name).names
    if list(data.classes) != names:
        raise ValueError(f"{key}: {root} names the classes {data.classes[:12]}, expected {names[:12]}.")
    strange = [entry.name for entry in classes.entries if entry.name not in names]
    if strange:
        raise ValueError(f"data.classes: {strange[:12]} are no classes of {name}. It has {names[:12]} …")
    number_of = {entry.name: getattr(entry, label) for entry in classes.entries}
    labels: IntArray = np.array([number_of.get(names[target], -1) for target in data.targets], dtype=np.int64)
    every = ArraySource(data.data, labels, PackedNames(f"{name} {split} image {i}" for i in range(len(labels))))
    kept = np.flatnonzero(labels >= 0).tolist()
    if len(kept) == len(labels):
        return every
    rank_zero_info(f"{key}: {len(kept)} of {len(labels)} {split} images are of the {len(classes)} classes of the list.")
    return every.subset(kept)


def split_cifar(train: ArraySource) -> tuple[ArraySource, ArraySource]:
    """Training images without, and the tenth that is kept for choosing settings; ever the same."""
    held_out = round(len(train) * NUM_VALIDATION / 50000)
    kept, out = stratified_split(train.labels.tolist(), held_out, "cifar", "validation")
    return train.subset(kept), train.subset(out)


def _dataset(name: Name) -> Any:
    from torchvision.datasets import CIFAR10, CIFAR100  # here: a second for importing it

    return {"cifar10": CIFAR10, "cifar100": CIFAR100}[name]


def _check_files(kind: Any, root: Path, key: str) -> None:
    """Name what torchvision would refuse without a name."""
    from torchvision.datasets.utils import check_integrity

    folder = root / kind.base_folder
    files = [*kind.train_list, *kind.test_list, [kind.meta["filename"], kind.meta["md5"]]]
    missing = [name for name, _ in files if not (folder / name).is_file()]
    if missing:
        raise ValueError(
            f"{key}: {folder} lacks {', '.join(missing)}. Unpack {kind.filename} ({kind.url}) in {root}, or set "
            "data.download: true."
        )
    others = [name for name, md5 in files if not check_integrity(str(folder / name), md5)]
    if others:
        raise ValueError(
            f"{key}: {', '.join(others)} in {folder} {'is' if len(others) == 1 else 'are'} not as published (another "
            f"MD5), and pickles of unknown origin are not opened. Unpack {kind.filename} ({kind.url}) anew."
        )
