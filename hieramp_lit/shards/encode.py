"""Samples as bytes: lossless images, ASCII labels, canonical JSON, arrays without pickle. `decode` goes back.

Equal samples give equal bytes, so that a set can be made again and compared by its checksums.
"""

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hieramp_lit.shards.format import CLS, IMAGE_FORMATS, JSON, SALIENCY, TOKENS, ImageFormat


def encode_sample(
    image: NDArray[np.uint8],
    cls: int,
    provenance: Mapping[str, Any],
    *,
    image_format: ImageFormat = "png",
    save_size: int | None = None,
    tokens: NDArray[np.integer[Any]] | None = None,
    saliency: NDArray[np.floating[Any]] | None = None,
) -> dict[str, bytes]:
    """Encode one sample, field by field.

    Args:
        image: RGB pixels, uint8, shape ``(H, W, 3)``.
        cls: Index in the set's class list.
        provenance: What the sample's `json` says; plain JSON values.
        image_format: Lossless container, also the field's name.
        save_size: Stored side in pixels, see `resize`.
        tokens: Codebook indices in 0…65535, shape ``(L,)``; stored as uint16.
        saliency: Saliency maps, shape ``(K, P, P)``, see `stack_saliency`; stored as float16.

    Returns:
        Field name → bytes.

    Raises:
        ValueError: If a value does not fit its field.
    """
    fields = {
        image_format: encode_image(resize(image, save_size), image_format),
        CLS: str(cls).encode("ascii"),
        JSON: encode_json(provenance),
    }
    if tokens is not None:
        if tokens.size and (int(tokens.min()) < 0 or int(tokens.max()) > np.iinfo(np.uint16).max):
            raise ValueError(
                f"Tokens are stored as uint16 (0…65535), got {int(tokens.min())}…{int(tokens.max())}: "
                "use a tokenizer with a vocabulary of at most 65536 entries."
            )
        fields[TOKENS] = encode_array(tokens.astype(np.uint16))
    if saliency is not None:
        fields[SALIENCY] = encode_array(saliency.astype(np.float16))
    return fields


def resize(image: NDArray[np.uint8], save_size: int | None) -> NDArray[np.uint8]:
    """Bring an image to the side it is stored with, by Lanczos, when it has another (the paper: 256 to 224).

    Args:
        image: RGB pixels, uint8, shape ``(H, W, 3)``.
        save_size: Side in pixels; None or the image's own size keeps every bit.
    """
    if save_size is None or image.shape[:2] == (save_size, save_size):
        return image
    return np.asarray(Image.fromarray(image).resize((save_size, save_size), Image.Resampling.LANCZOS))


def encode_image(image: NDArray[np.uint8], image_format: ImageFormat) -> bytes:
    """Encode RGB pixels without loss.

    Raises:
        ValueError: For another dtype, shape or format.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"Expected uint8 pixels of shape (H, W, 3), got {image.dtype} {image.shape}.")
    if image_format not in IMAGE_FORMATS:
        raise ValueError(f"image_format={image_format!r} is not known; allowed: {', '.join(IMAGE_FORMATS)}.")
    options: dict[str, Any] = {"lossless": True, "quality": 80, "method": 4} if image_format == "webp" else {}
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format=image_format.upper(), **options)
    return buffer.getvalue()


def encode_array(array: NDArray[Any]) -> bytes:
    """Encode an array as `.npy`, never with pickle."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def encode_json(value: Any) -> bytes:
    """Canonical JSON: sorted keys, no spaces, UTF-8, no NaN; equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
