"""What a file claims about itself is checked before anything is unpacked."""

import gc
import io
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from hieramp_lit.shards.decode import MOST_PIXELS, decode_array, decode_image
from hieramp_lit.shards.encode import encode_array, encode_image


def npy(array: np.ndarray, **options: bool) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def with_shape(shape: str) -> bytes:
    """The header of a small array, with another shape."""
    content = npy(np.arange(4, dtype=np.uint16))
    start = content.index(b"(4,), }")
    return content[:start] + f"{shape}, }}".encode().ljust(127 - start) + b"\n" + content[128:]


def test_an_array_comes_back() -> None:
    for array in (np.arange(7, dtype=np.uint16), np.zeros(0, np.uint16)):
        assert np.array_equal(decode_array(encode_array(array), np.uint16, 1), array)
    maps = np.random.default_rng(0).random((2, 3, 3)).astype(np.float16)
    decoded = decode_array(encode_array(maps), np.float16, 3)
    assert np.array_equal(decoded, maps)
    assert decoded.flags.writeable


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy(np.array([{"a": 1}], dtype=object), allow_pickle=True), "entries object, expected uint16"),
        (npy(np.arange(4, dtype=np.int64)), "entries int64, expected uint16"),
        (npy(np.arange(4, dtype=">u2")), "entries >u2, expected uint16"),
        (npy(np.zeros((2, 2), np.uint16)), "expected 1 dimension"),
        (npy(np.asfortranarray(np.zeros((2, 3), np.uint16))), "Fortran order"),
        (npy(np.arange(4, dtype=np.uint16))[:-1], "does not take 7 bytes"),
        (npy(np.arange(4, dtype=np.uint16)) + b"x", "does not take 9 bytes"),
        (with_shape("(3,)"), "does not take 8 bytes"),
        (with_shape("(1000000000000,)"), "does not take 8 bytes"),
        (with_shape("(-4,)"), "does not take 8 bytes"),
        (with_shape("(-2, -2)"), "does not take 8 bytes"),
        (with_shape("__import__('os')"), "no readable array"),
        (b"PK\x03\x04" + bytes(200), "no readable array"),
        (b"\x80\x04K\x01.", "no readable array"),
        (b"\x93NUMPY\x03\x00" + bytes(200), "version 1.0"),
        (b"", "no readable array"),
    ],
    ids=range(16),
)
def test_another_array_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_array(content, np.uint16, 1)


def test_a_small_file_that_claims_a_huge_image_is_refused_before_it_is_unpacked() -> None:
    side = int(MOST_PIXELS**0.5) + 8
    buffer = io.BytesIO()
    Image.new("1", (side, side)).save(buffer, "PNG")
    assert len(buffer.getvalue()) < 10**5
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"{side} × {side} pixels are more than {MOST_PIXELS}"):
        decode_image(buffer.getvalue())
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["TIFF", "BMP", "GIF", "JPEG", "PPM"])
def test_other_formats_are_not_even_tried(name: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, name)
    with pytest.raises(ValueError, match="no readable image: the bytes are no PNG or WEBP"):
        decode_image(buffer.getvalue())


def test_a_field_holds_the_format_of_its_name() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match=r"the bytes are no PNG$"):
        decode_image(encode_image(pixels, "webp"), ["png"])
    assert np.array_equal(decode_image(encode_image(pixels, "webp"), ["webp"]), pixels)


class _Cycle:
    """Garbage that lets another thread run when it is collected, as files and sockets do."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        time.sleep(0)


def test_threads_decode_side_by_side() -> None:
    content = encode_array(np.arange(5, dtype=np.uint16))

    def decode_many(_: int) -> int:
        total = 0
        for _ in range(500):
            _Cycle()
            total += int(decode_array(content, np.uint16, 1).sum())
        return total

    before = gc.get_threshold()
    gc.set_threshold(5)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(decode_many, range(4))) == [5000] * 4
    finally:
        gc.set_threshold(*before)
