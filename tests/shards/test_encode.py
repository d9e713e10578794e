import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hieramp_lit.shards.decode import decode_array, decode_image
from hieramp_lit.shards.encode import encode_array, encode_image, encode_sample, resize


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("image_format", ["png", "webp"])
@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 100))
@settings(max_examples=20)
def test_images_come_back_bit_for_bit(image_format: str, height: int, width: int, seed: int) -> None:
    image = noise(height, width, 3, seed=seed)
    content = encode_image(image, image_format)
    assert np.array_equal(decode_image(content), image)
    assert encode_image(image.copy(), image_format) == content


@pytest.mark.parametrize("bad", [noise(4, 4), noise(4, 4, 4), noise(4, 4, 3).astype(np.float32)])
def test_other_pixels_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"uint8 pixels of shape \(H, W, 3\)"):
        encode_image(bad, "png")


def test_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed: png, webp"):
        encode_image(noise(4, 4, 3), "jpg")


def test_own_size_keeps_every_bit() -> None:
    image = noise(8, 8, 3)
    assert resize(image, 8) is image
    assert resize(image, None) is image


@pytest.mark.parametrize("size", [7, 14, 224])
def test_resize_is_lanczos(size: int) -> None:
    image = noise(16, 16, 3)
    expected = Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS)
    assert np.array_equal(resize(image, size), np.asarray(expected))


def test_sample_has_the_fields_of_the_format() -> None:
    fields = encode_sample(
        noise(8, 8, 3),
        cls=7,
        provenance={"b": 1, "a": "ä"},
        save_size=4,
        tokens=np.array([0, 65535]),
        saliency=np.ones((2, 3, 3), np.float32),
    )
    assert set(fields) == {"png", "cls", "json", "tokens.npy", "saliency.npy"}
    assert fields["cls"] == b"7"
    assert json.loads(fields["json"]) == {"a": "ä", "b": 1}
    assert fields["json"].index(b'"a"') < fields["json"].index(b'"b"')
    assert decode_image(fields["png"]).shape == (4, 4, 3)
    tokens = decode_array(fields["tokens.npy"], np.uint16, 1)
    saliency = decode_array(fields["saliency.npy"], np.float16, 3)
    assert (tokens.dtype, tokens.tolist()) == (np.uint16, [0, 65535])
    assert (saliency.dtype, saliency.shape) == (np.float16, (2, 3, 3))


@pytest.mark.parametrize("tokens", [[-1, 3], [0, 65536]])
def test_tokens_that_do_not_fit_are_refused(tokens: list[int]) -> None:
    with pytest.raises(ValueError, match="uint16"):
        encode_sample(noise(8, 8, 3), 0, {}, tokens=np.array(tokens))


def test_no_nan_in_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_sample(noise(8, 8, 3), 0, {"cfg": float("nan")})


def test_no_pickle() -> None:
    objects = np.array([{"a": 1}], dtype=object)
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        encode_array(objects)
