"""Bytes of anybody to images and arrays: sizes are bounded before anything is unpacked, and nothing is unpickled."""

import io
import math
import threading
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray
from PIL import Image, UnidentifiedImageError

from hieramp_lit.shards.format import IMAGE_FORMATS

MOST_PIXELS = 2**26
"""Largest image that is decoded, 8192 × 8192: a small file can claim any size."""
_ONE_AT_A_TIME = threading.Lock()
"""numpy parses a header by `ast`, which in Python 3.11 now and then fails in two threads at once (gh-106905)."""


def decode_image(content: bytes, formats: Sequence[str] = IMAGE_FORMATS) -> NDArray[np.uint8]:
    """Decode an image to RGB, uint8, shape ``(H, W, 3)``.

    Args:
        content: The file.
        formats: Pillow's names of the formats that it may have; others are not tried.

    Raises:
        ValueError: If the bytes are no such image, end too early, or claim more than `MOST_PIXELS`.
    """
    try:
        with Image.open(io.BytesIO(content), formats=[name.upper() for name in formats]) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"{image.width} × {image.height} pixels are more than {MOST_PIXELS}")
            return np.array(image.convert("RGB"))
    except MemoryError:
        raise  # of this machine: the image is no larger than it may be
    except UnidentifiedImageError as error:  # whose own message names an object in memory
        raise ValueError(
            f"no readable image: the bytes are no {' or '.join(name.upper() for name in formats)}"
        ) from error
    except Exception as error:  # damaged bytes make Pillow raise OSError, SyntaxError, struct.error and others
        raise ValueError(f"no readable image: {error}") from error


def decode_array(content: bytes, dtype: DTypeLike, dimensions: int) -> NDArray[Any]:
    """Decode an `.npy` field of a known type.

    Args:
        content: The file.
        dtype: Type of its entries.
        dimensions: Number of its dimensions.

    Raises:
        ValueError: If the bytes are no such array.
    """
    file = io.BytesIO(content)
    shape = read_array_header(file, dtype, len(content))
    if len(shape) != dimensions:
        raise ValueError(f"no readable array: shape {shape}, expected {dimensions} dimension(s)")
    return np.frombuffer(content, dtype, offset=file.tell()).reshape(shape).copy()


def read_array_header(file: BinaryIO, dtype: DTypeLike, size: int) -> tuple[int, ...]:
    """Read what stands before the entries of an `.npy` file, and compare it with the file's size.

    numpy's own loader takes archives as well, and makes room for whatever the header claims.

    Args:
        file: Open at its start; left where the entries begin.
        dtype: Type that the entries must have.
        size: Bytes of the file.

    Returns:
        Shape of the array, in C order.

    Raises:
        ValueError: If it is no `.npy` file, of another type, in Fortran order, or of another size than it claims.
    """
    try:
        if npy.read_magic(file) != (1, 0):
            raise ValueError("not version 1.0 of the .npy format")
        with _ONE_AT_A_TIME:
            shape, fortran_order, found = npy.read_array_header_1_0(file)
    except Exception as error:  # a damaged header makes numpy raise ValueError, EOFError, TokenError and others
        raise ValueError(f"no readable array: {error}") from error
    if found != np.dtype(dtype) or fortran_order:
        order = ", Fortran order" if fortran_order else ""
        raise ValueError(f"no readable array: entries {found}{order}, expected {np.dtype(dtype)}, C order")
    entries = size - file.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * found.itemsize != entries:
        raise ValueError(f"no readable array: shape {shape} of {found} does not take {entries} bytes")
    return tuple(map(int, shape))
