"""Pictures of class-token maps over their images: strips from the coarsest scale to the finest, and grids."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from hieramp_lit.analysis.saliency.entropy import entropy_share
from hieramp_lit.analysis.saliency.grids import Map, enlarged
from hieramp_lit.figures import SEQUENTIAL
from hieramp_lit.figures.labels import one_line

Pixels = NDArray[np.uint8]

CELL = 96
"""Side of an image or an overlay, in pixels."""
COVER = 0.65
"""Share of the map's colour in an overlay; the rest is the image in grey."""
NORMALIZATION = "each map from 0 to its own highest value"

_GAP = 6
_GROUP_GAP = 18
_MARGIN = 14
_FONT_SIZE = 13
_LINE = 32
"""Most characters of a line of a title."""
_FONT = "fonts/ttf/DejaVuSans.ttf"  # comes with matplotlib; Pillow's own lacks × and ², and most of the world's letters
_INK = (27, 27, 29)
_PALE = (110, 110, 110)
_PAPER = (255, 255, 255)
_BAR = (160, 12)
_LUMINANCE = (0.299, 0.587, 0.114)


class StripRow(NamedTuple):
    """One row of a strip.

    Attributes:
        title: At its left; its lines are kept, the end of long ones is given up.
        image: RGB pixels, uint8, shape ``(H, W, 3)``.
        maps: For each scale from the coarsest its map on its own grid; None where there is no class token.
    """

    title: str
    image: Pixels
    maps: Sequence[Map | None]


def overlay(image: Pixels, map_hw: Map, cell: int = CELL) -> Pixels:
    """A map's colours over the grey image, at the size of a cell, without smoothing.

    Args:
        image: RGB pixels, uint8, shape ``(H, W, 3)``.
        map_hw: The map on its own grid. Its highest value has the brightest colour, 0 the darkest.
        cell: Side in pixels, at least the map's.

    Returns:
        uint8, shape ``(cell, cell, 3)``.

    Raises:
        ValueError: If the map is none, or finer than the cell.
    """
    colours = mpl.colormaps[SEQUENTIAL](enlarged(map_hw / map_hw.max(), cell, cell))[..., :3] * 255
    grey = (_fitted(image, cell) @ np.array(_LUMINANCE))[..., None]
    pixels: Pixels = np.rint(COVER * colours + (1 - COVER) * grey).astype(np.uint8)
    return pixels


def draw_strips(rows: Sequence[StripRow], group: int = 1, cell: int = CELL) -> Image.Image:
    """Draw images, each with one overlay a scale from the coarsest to the finest (HIERAMP, Fig. 1 and 5).

    Above a column stand its scale and side, below each overlay the entropy of its map as share of the highest possible.
    Scales at which no row has a class token have no column; they are named below.

    Args:
        rows: At least one, all with the same scales.
        group: Rows that belong together, such as amplified and plain: they stand closer.
        cell: Side of an image in pixels.

    Raises:
        ValueError: If there is no row, the rows have other scales than the first, or a map is none.
    """
    if not rows:
        raise ValueError("There is no row to draw.")
    sides = [_side(rows, scale) for scale in range(max(len(row.maps) for row in rows))]
    shown = [scale for scale, side in enumerate(sides) if side is not None]
    font = _font()
    line = _FONT_SIZE + 3
    titles = [_title(row.title) for row in rows]
    left = _MARGIN + max(_width(font, title) for title in titles) + 2 * _GAP
    top = _MARGIN + 2 * line + _GAP
    step = cell + line + _GAP
    tops = [top + place * step + place // group * _GROUP_GAP for place in range(len(rows))]
    legend = tops[-1] + step + _GAP
    width = max(left + (1 + len(shown)) * (cell + _GAP) + _MARGIN, left + _BAR[0] + 330)
    sheet = Image.new("RGB", (width, legend + 2 * line + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    columns = {scale: left + (1 + place) * (cell + _GAP) for place, scale in enumerate(shown)}
    draw.text((left + cell // 2, _MARGIN + line), "image", _INK, font, anchor="ma")
    for scale, x in columns.items():
        draw.text((x + cell // 2, _MARGIN), f"scale {scale}", _INK, font, anchor="ma")
        draw.text((x + cell // 2, _MARGIN + line), f"{sides[scale]} × {sides[scale]}", _PALE, font, anchor="ma")
    for row, title, y in zip(rows, titles, tops, strict=True):
        draw.multiline_text((left - 2 * _GAP, y + cell // 2), title, _INK, font, "rm", align="right")
        sheet.paste(Image.fromarray(_fitted(row.image, cell)), (left, y))
        for scale, x in columns.items():
            _paste_map(sheet, draw, font, row, scale, (x, y), cell)
    note = "below each map its entropy, as share of ln(side²)"
    without = [str(scale) for scale, side in enumerate(sides) if side is None]
    if without:
        note += f"; no class token at scale {', '.join(without)}"
    _legend(sheet, draw, font, (left, legend), note)
    return sheet


def draw_maps(
    blocks: Mapping[str, Sequence[Sequence[tuple[Pixels, Map]]]], row_titles: Sequence[str], cell: int = CELL
) -> Image.Image:
    """Draw the maps of many images at one scale: titled blocks next to each other, a row a class.

    Args:
        blocks: Title → rows of (image, map on its own grid), a row for each of `row_titles`. Long titles are cut.
        row_titles: At the left of the rows, as those of `StripRow`.
        cell: Side of an overlay in pixels.

    Raises:
        ValueError: If there is nothing to draw, a block has other rows than `row_titles`, or a map is none.
    """
    if not row_titles or any(len(rows) != len(row_titles) for rows in blocks.values()):
        raise ValueError(f"{len(row_titles)} row titles for {[len(rows) for rows in blocks.values()]} rows.")
    font = _font()
    line = _FONT_SIZE + 3
    row_titles = [_title(title) for title in row_titles]
    left = x = _MARGIN + max(_width(font, title) for title in row_titles) + 2 * _GAP
    top = _MARGIN + line + _GAP
    legend = top + len(row_titles) * (cell + _GAP) + _GAP
    titles = [one_line(title) for title in blocks]
    widths = [
        max(max(len(row) for row in rows) * (cell + _GAP), _width(font, title))
        for title, rows in zip(titles, blocks.values(), strict=True)
    ]
    width = max(left + sum(widths) + _GROUP_GAP * (len(widths) - 1) + _MARGIN, left + _BAR[0] + 330)
    sheet = Image.new("RGB", (width, legend + 2 * line + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, title in enumerate(row_titles):
        y = top + place * (cell + _GAP) + cell // 2
        draw.multiline_text((left - 2 * _GAP, y), title, _INK, font, "rm", align="right")
    for title, rows, block_width in zip(titles, blocks.values(), widths, strict=True):
        draw.text((x, _MARGIN), title, _INK, font, anchor="la")
        for place, row in enumerate(rows):
            for column, (image, map_hw) in enumerate(row):
                corner = (x + column * (cell + _GAP), top + place * (cell + _GAP))
                sheet.paste(Image.fromarray(overlay(image, map_hw, cell)), corner)
        x += block_width + _GROUP_GAP
    _legend(sheet, draw, font, (left, legend), "")
    return sheet


def _side(rows: Sequence[StripRow], scale: int) -> int | None:
    """Side of a scale's maps; None if no row has one."""
    maps = [row.maps[scale] for row in rows if scale < len(row.maps)]
    sides = {len(map_hw) for map_hw in maps if map_hw is not None}
    if len(sides) > 1:
        raise ValueError(f"scale {scale}: maps of sides {sorted(sides)} in one strip. Draw one strip for each model.")
    return sides.pop() if sides else None


def _paste_map(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont,
    row: StripRow,
    scale: int,
    corner: tuple[int, int],
    cell: int,
) -> None:
    map_hw = row.maps[scale] if scale < len(row.maps) else None
    x, y = corner
    if map_hw is None:
        draw.text((x + cell // 2, y + cell // 2), "no class\ntoken", _PALE, font, "mm", align="center")
        return
    sheet.paste(Image.fromarray(overlay(row.image, map_hw, cell)), corner)
    share = entropy_share(map_hw)
    if share is not None:
        draw.text((x + cell // 2, y + cell + 2), f"{share:.1%}", _PALE, font, anchor="ma")


def _legend(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont,
    corner: tuple[int, int],
    note: str,
) -> None:
    """The colours from 0 to the highest value, and what the numbers are."""
    x, y = corner
    width, height = _BAR
    ramp = mpl.colormaps[SEQUENTIAL](np.linspace(0, 1, width))[None, :, :3].repeat(height, axis=0)
    sheet.paste(Image.fromarray(np.rint(ramp * 255).astype(np.uint8)), (x, y))
    draw.text((x + width + _GAP, y + height // 2), NORMALIZATION, _PALE, font, anchor="lm")
    draw.text((x, y + height + _GAP), note, _PALE, font, anchor="la")


def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(mpl.get_data_path()) / _FONT, _FONT_SIZE)


def _title(text: str) -> str:
    return "\n".join(one_line(line, _LINE) for line in text.split("\n"))


def _width(font: ImageFont.FreeTypeFont, text: str) -> int:
    return max(int(font.getlength(part)) for part in text.split("\n")) + 1


def _fitted(image: Pixels, cell: int) -> Pixels:
    """An image at the size of a cell: enlarged by repeating pixels, or made smaller by Lanczos."""
    smaller = max(image.shape[:2]) > cell
    method = Image.Resampling.LANCZOS if smaller else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(image).resize((cell, cell), method))
