"""Pictures of a page as data URIs, and how they are made smaller until the page is as small as it must be."""

import base64
import io
from dataclasses import dataclass

from PIL import Image


class TooLargeError(ValueError):
    """A page that cannot be made small enough."""


@dataclass(frozen=True)
class Level:
    """A way to store a picture.

    Attributes:
        quality: Of WebP; None for without loss.
        scale: Of width and height.
    """

    quality: int | None
    scale: float = 1.0


LEVELS = (
    Level(None),
    Level(90),
    Level(75),
    Level(60),
    Level(75, 0.7),
    Level(60, 0.5),
    Level(50, 0.35),
    Level(40, 0.25),
)
"""From without loss to the smallest that still shows something."""


@dataclass(frozen=True)
class Encoded:
    """A picture as it stands on a page.

    Attributes:
        uri: ``data:`` with its bytes.
        width: Pixels.
        height: Pixels.
        level: Place in `LEVELS`.
    """

    uri: str
    width: int
    height: int
    level: int


def encode(image: Image.Image, level: int = 0) -> Encoded:
    """A picture at a level; without loss as PNG or WebP, whichever is smaller.

    Args:
        image: Any mode; stored as RGB.
        level: Place in `LEVELS`.
    """
    chosen = LEVELS[level]
    pixels = image.convert("RGB")
    if chosen.scale != 1:
        size = (max(1, round(image.width * chosen.scale)), max(1, round(image.height * chosen.scale)))
        pixels = pixels.resize(size, Image.Resampling.LANCZOS)
    if chosen.quality is None:
        png, webp = io.BytesIO(), io.BytesIO()
        pixels.save(png, "PNG", optimize=True)
        pixels.save(webp, "WEBP", lossless=True, method=4)
        kind, content = min(("png", png.getvalue()), ("webp", webp.getvalue()), key=lambda made: len(made[1]))
    else:
        lossy = io.BytesIO()
        pixels.save(lossy, "WEBP", quality=chosen.quality, method=4)
        kind, content = "webp", lossy.getvalue()
    uri = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return Encoded(uri, pixels.width, pixels.height, level)


def shrink(images: dict[str, Image.Image], encoded: dict[str, Encoded], most: int) -> dict[str, Encoded]:
    """Encode the largest picture one level smaller, again and again, until all together are small enough.

    Args:
        images: By id.
        encoded: What they are now.
        most: Characters that all URIs together may have.

    Returns:
        All pictures; as small as they get where that is not enough.
    """
    now = dict(encoded)
    while sum(len(one.uri) for one in now.values()) > most:
        left = [name for name in now if now[name].level + 1 < len(LEVELS)]
        if not left:
            break
        largest = max(left, key=lambda name: len(now[name].uri))
        now[largest] = encode(images[largest], now[largest].level + 1)
    return now
