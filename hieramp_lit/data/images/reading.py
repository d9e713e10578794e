"""Finding image files, and reading them as 8-bit RGB whatever their kind, or saying which cannot be read."""

import os
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Kinds of files that count as images, in lower case."""

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What these kinds hold, as Pillow calls it; nothing else is opened, whatever a file is named. Pillow's others start
programs (EPS: Ghostscript). A phone's JPEG with several pictures (MPO) is opened as JPEG."""

COMPANIONS = frozenset(
    {".csv", ".db", ".htm", ".html", ".ini", ".json", ".jsonl", ".md", ".toml", ".tsv", ".txt", ".xml", ".yaml", ".yml"}
)
"""Kinds of files that often lie beside images, in lower case: annotations, notes, and what file browsers leave behind
(``Thumbs.db``, ``desktop.ini``)."""

MOST_PIXELS = 89_478_485
"""Largest image that is decoded: Pillow's own default (`PIL.Image.MAX_IMAGE_PIXELS`), 268 MB of RGB. Pillow warns above
it and stops at twice as many; here an image above it is not decoded at all."""

MOST_ELONGATED = 100
"""Longest side over shortest side: brought to a short side of 288, such an image has 8 million pixels."""

SIXTEEN_BIT = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N"})
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
"""What Pillow's decoders raise on damaged files; the warning where warnings are errors."""


class UnreadableImageError(ValueError):
    """A file that should be an image and cannot be read as one; the message names it."""


def read_image(file: Path | IO[bytes], name: str | None = None) -> Image.Image:
    """Read a file as 8-bit RGB, upright.

    The camera's rotation (EXIF) is applied. Transparent pixels are laid on white. Grey, palette, CMYK and other colours
    become RGB; 16-bit grey is scaled to 8 bits. Of an animation the first frame is taken.

    Args:
        file: File of a kind in `SUFFIXES`, or its content; its content must be of one of `FORMATS`, of any of them.
        name: What errors call it; None takes the path.

    Raises:
        UnreadableImageError: If the file is no image, is cut short or damaged, or has pixels without a known white
            (32-bit integers above 65535, floats); before anything is decoded, if it has more than `MOST_PIXELS` pixels
            or a side more than `MOST_ELONGATED` times as long as the other.
    """
    called = file if name is None else name
    try:
        with Image.open(file, formats=FORMATS) as image:
            _check_size(image.size)
            return _to_rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        raise UnreadableImageError(f"{called}: no image of a known kind") from error
    except DAMAGE as error:
        raise UnreadableImageError(f"{called}: {type(error).__name__}: {error}") from error


def find_unreadable(read: Callable[[int], object], count: int) -> dict[int, str]:
    """Read images 0…count-1 once, on all cores, and return the reason for each that cannot be read, ascending.

    Args:
        read: Reads one image, or raises an `UnreadableImageError`.
        count: Number of images.
    """

    def reason(place: int) -> str | None:
        try:
            read(place)
        except UnreadableImageError as error:
            return str(error)
        return None

    with ThreadPoolExecutor() as pool:
        return {place: why for place, why in enumerate(pool.map(reason, range(count))) if why is not None}


def find_images(folder: Path) -> tuple[list[Path], list[Path]]:
    """The images below a folder, at any depth, and what may hide others: files of unknown kinds, linked folders.

    Neither are hidden files (``.DS_Store``), what lies in hidden folders (``.ipynb_checkpoints``), and `COMPANIONS`.
    Kinds are told by the suffix, in any case. Linked files count, linked folders are not entered: they may lead back.

    Args:
        folder: Folder to look through; it may be a link.

    Returns:
        Images and the others, each in sorted order.
    """
    images: list[Path] = []
    others: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        others += [path for path in (Path(place, name) for name in folders) if path.is_symlink()]
        for path in (Path(place, name) for name in names if not name.startswith(".")):
            kind = path.suffix.lower()
            if kind in SUFFIXES:
                images.append(path)
            elif kind not in COMPANIONS:
                others.append(path)
    return sorted(images), sorted(others)


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MOST_PIXELS:
        raise ValueError(
            f"{width} × {height} pixels, {width * height} in all; at most {MOST_PIXELS} are decoded. Scale it down"
        )
    if max(size) > MOST_ELONGATED * min(size):
        raise ValueError(
            f"{width} × {height} pixels; a side may be {MOST_ELONGATED} times as long as the other at most. Crop it"
        )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in SIXTEEN_BIT:
        return _sixteen_bit_grey(image)
    if image.mode == "F":
        raise ValueError("floating-point pixels have no defined white; convert the file to 8 or 16 bits")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _sixteen_bit_grey(image: Image.Image) -> Image.Image:
    # Pillow's own conversion of 16 to 8 bits clips at 255 instead of scaling
    pixels = np.asarray(image).astype(np.int64)
    if pixels.size and (pixels.min() < 0 or pixels.max() > 65535):
        raise ValueError("32-bit integer pixels have no defined white; convert the file to 8 or 16 bits")
    grey = ((pixels + 128) // 257).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
