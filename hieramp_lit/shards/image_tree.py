"""A folder of images per class, as anybody's distilled data comes: which class each folder is, which images it has."""

import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hieramp_lit.classes import ClassEntry, ClassList
from hieramp_lit.files import read_bounded
from hieramp_lit.shards.decode import decode_image
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.format import CLASSES
from hieramp_lit.shards.tar_file import MOST_MEMBER_BYTES

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")


class TreeImage(NamedTuple):
    """One image of a class.

    Attributes:
        path: Its file.
        sha256: Checksum of the file.
        size: Width and height in pixels.
        is_stored_form: Whether the file is a PNG of 8-bit RGB, which a set stores byte for byte.
    """

    path: Path
    sha256: str
    size: tuple[int, int]
    is_stored_form: bool


def match_folders(root: Path, classes: ClassList) -> tuple[ClassList, list[Path]]:
    """Find each class's folder: by WordNet id, else by name, else by cls (``00003``).

    Args:
        root: Folder of class folders.
        classes: What the folders may be. Where they are named by id or name, some of the classes will do; by cls, all
            must be there, and be those of the folder's own ``classes.json`` where it has one.

    Returns:
        The classes that are there, counted anew from cls 0 with their class rows kept; and their folders.

    Raises:
        ShardError: If a folder is no class, or has the name of several, or a class has two folders, or one is missing,
            or numbers count in another list than the folder's own.
        ValueError: If the folder's own list is damaged.
    """
    found: dict[int, Path] = {}
    names = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    by_name: dict[str, list[ClassEntry]] = {}
    for one in classes.entries:
        by_name.setdefault(one.name, []).append(one)
    by_wnid = {one.wnid: one for one in classes.entries if one.wnid}
    by_number = False
    for path in names:
        meant = by_name.get(path.name, [])
        if len(meant) > 1:
            ids = " or ".join(one.wnid or f"{one.cls:05d}" for one in meant)
            raise ShardError(f"{path}: {len(meant)} classes have this name. Name the folder {ids}, the one that it is.")
        entry = by_wnid.get(path.name, meant[0] if meant else None)
        if entry is None and path.name.isascii() and path.name.isdigit() and int(path.name) < len(classes):
            entry, by_number = classes.entries[int(path.name)], True
        if entry is None or entry.cls in found:
            problem = "is none of the classes" if entry is None else f"is class {entry.name!r}, as another folder is"
            raise ShardError(
                f"{path} {problem}. Folders are named by WordNet id, by name, or by number in the class list "
                f"(00000 … {len(classes) - 1:05d}): give --classes the right list, or move the folder away."
            )
        found[entry.cls] = path
    if by_number:
        _check_own_list(root, classes)
    missing = [entry.name for entry in classes.entries if entry.cls not in found]
    if not found or (by_number and missing):
        raise ShardError(
            f"{root} has no folder of {len(missing)} of {len(classes)} classes ({', '.join(missing[:3])}, …), and "
            "numbers of folders only mean something in a whole list. Give --classes the list that the numbers count in."
        )
    chosen = [classes.entries[cls]._replace(cls=new) for new, cls in enumerate(sorted(found))]
    return ClassList(tuple(chosen)), [found[cls] for cls in sorted(found)]


def list_images(classes: ClassList, folders: Sequence[Path], images_per_class: int | None) -> list[list[TreeImage]]:
    """Read and decode every image once, on several threads.

    Args:
        classes: The classes in order.
        folders: Their folders.
        images_per_class: How many of each to take, in the order of their names; None takes all.

    Returns:
        Per class its images, equally many each.

    Raises:
        ShardError: If a file is no readable image, or classes have different numbers of images, or too few.
    """
    listed = [_files(folder) for folder in folders]
    counts = [len(files) for files in listed]
    wanted = images_per_class if images_per_class is not None else counts[0]
    short = [entry for entry, count in zip(classes.entries, counts, strict=True) if count < wanted]
    if images_per_class is None and len(set(counts)) > 1:
        fewest, most = min(counts), max(counts)
        examples = f"{_name(classes, counts, fewest)} has {fewest}, {_name(classes, counts, most)} {most}"
        raise ShardError(
            f"Classes have different numbers of images ({examples}); a set has equally many of each. "
            f"`--images_per_class {fewest}` takes the first {fewest} of each."
        )
    if short or wanted < 1:
        raise ShardError(
            f"--images_per_class {wanted}: {len(short)} class(es) have fewer images "
            f"({', '.join(entry.name for entry in short[:3])}, …; the smallest has {min(counts)})."
        )
    files = [path for paths in listed for path in paths[:wanted]]
    with ThreadPoolExecutor() as pool:
        images = list(pool.map(_inspect, files))
    return [images[start : start + wanted] for start in range(0, len(images), wanted)]


def check_sizes(images: Sequence[Sequence[TreeImage]]) -> None:
    """Refuse images of several sizes.

    Raises:
        ShardError: Naming the sizes and a file of each of the two most frequent.
    """
    sizes = Counter(image.size for members in images for image in members)
    if len(sizes) > 1:
        usual = sizes.most_common()
        odd = next(image for members in images for image in members if image.size == usual[1][0])
        told = ", ".join(f"{width} × {height} ({count})" for (width, height), count in usual[:4])
        raise ShardError(
            f"The images have {len(sizes)} sizes: {told}; {odd.path} is one of the second. A set has one: "
            f"`--image_size N` brings all to N × N pixels (the largest square in the centre, Lanczos)."
        )


def read_file(path: Path) -> bytes:
    """Read an image file.

    Raises:
        ShardError: If it is larger than `MOST_MEMBER_BYTES`.
    """
    try:
        return read_bounded(path, MOST_MEMBER_BYTES)
    except ValueError as error:
        raise ShardError(f"{path}: {error}.") from error


def square(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The largest square in the centre of an image, shape ``(S, S, 3)`` of ``(H, W, 3)``."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _check_own_list(root: Path, classes: ClassList) -> None:
    """Refuse a list whose numbers count other classes than those of the folder's own ``classes.json``."""
    if not (root / CLASSES).is_file():
        return
    own = ClassList.read(root / CLASSES)
    for theirs, given in zip_longest(own.entries, classes.entries):
        same = theirs is not None and given is not None and _means(theirs, given)
        if not same:
            told = ["no class" if one is None else f"{one.name!r} ({one.wnid or 'no id'})" for one in (theirs, given)]
            raise ShardError(
                f"{root} names its folders by number, and its {CLASSES} counts other classes than --classes: "
                f"{(theirs or given).cls:05d} is {told[0]} there, {told[1]} in --classes. Leave --classes out; if "
                f"{CLASSES} is wrong, remove it."
            )


def _means(one: ClassEntry, other: ClassEntry) -> bool:
    """Whether two entries are the same class: by WordNet id where both have one, else by name."""
    return one.wnid == other.wnid if one.wnid and other.wnid else one.name == other.name


def _files(folder: Path) -> list[Path]:
    paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    others = sorted(path for path in paths if path.suffix.lower() not in SUFFIXES or not path.is_file())
    if others:
        raise ShardError(
            f"{others[0]} is no image ({len(others)} such in its folder); known: {', '.join(SUFFIXES)}. Move it away."
        )
    return sorted(paths, key=lambda path: (len(path.name), path.name))  # 9.png before 10.png


def _inspect(path: Path) -> TreeImage:
    content = read_file(path)
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            size, is_stored_form = image.size, (image.format, image.mode) == ("PNG", "RGB")
        decode_image(content, FORMATS)
    except Exception as error:  # damaged bytes make Pillow raise OSError, SyntaxError, struct.error and others
        raise ShardError(f"{path} cannot be read as an image ({error}). Replace or remove it.") from error
    return TreeImage(path, hashlib.sha256(content).hexdigest(), size, is_stored_form)


def _name(classes: ClassList, counts: Sequence[int], count: int) -> str:
    entry: ClassEntry = classes.entries[counts.index(count)]
    return entry.name
