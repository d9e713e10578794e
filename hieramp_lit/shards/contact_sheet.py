"""Contact sheets: rows are classes, columns are images; several sets of equal seeds side by side."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from hieramp_lit.shards.reader import ShardSet

Pixels = NDArray[np.uint8]

_CELL = 64
_GAP = 4
_BLOCK_GAP = 24
_MARGIN = 16
_FONT_SIZE = 14
_INK = (32, 32, 32)
_PAPER = (255, 255, 255)


def contact_sheet(shard_set: ShardSet, *, title: str = "", max_classes: int = 50, max_images: int = 10) -> Image.Image:
    """Draw one set.

    Args:
        shard_set: The set.
        title: Line above the sheet; empty for none.
        max_classes: Most rows; of more classes, evenly spaced ones are drawn.
        max_images: Most columns: the first images of each class.
    """
    chosen = _choose(len(shard_set.classes), max_classes)
    images = _first_images(shard_set, chosen, max_images)
    return draw_grid({title: images}, [shard_set.classes.names[cls] for cls in chosen])


def side_by_side(
    sets: Mapping[str, ShardSet | Sequence[ShardSet]],
    *,
    max_classes: int = 50,
    max_images: int = 10,
    cell: int = _CELL,
) -> Image.Image:
    """Draw sets of equal seeds in titled blocks, so that the same place is the same (class, index, seed).

    Args:
        sets: Title → a set, or several sets (draws with different seeds) that share the block.
        max_classes: Most rows; of more classes, evenly spaced ones are drawn.
        max_images: Most columns a set: the first images of each class.
        cell: Side of a cell in pixels.

    Raises:
        ValueError: If there is nothing to draw, or the blocks differ in classes or seeds.
    """
    blocks = {title: [block] if isinstance(block, ShardSet) else list(block) for title, block in sets.items()}
    every = [shard_set for block in blocks.values() for shard_set in block]
    if not every:
        raise ValueError("There is no set to draw.")
    if any(shard_set.classes != every[0].classes for shard_set in every):
        raise ValueError(f"Sets side by side need one class list; those of {_paths(every)} differ.")
    seeds = {title: [shard_set.manifest.seed for shard_set in block] for title, block in blocks.items()}
    if len({tuple(block) for block in seeds.values()}) > 1:
        raise ValueError(f"Sets side by side need equal seeds in equal order, got {seeds}.")
    chosen = _choose(len(every[0].classes), max_classes)
    drawn = {
        title: [
            [image for row in rows for image in row]
            for rows in zip(*(_first_images(shard_set, chosen, max_images) for shard_set in block), strict=True)
        ]
        for title, block in blocks.items()
    }
    return draw_grid(drawn, [every[0].classes.names[cls] for cls in chosen], cell=cell)


def draw_grid(
    blocks: Mapping[str, Sequence[Sequence[Pixels]]], row_titles: Sequence[str], *, cell: int = _CELL
) -> Image.Image:
    """Draw titled blocks of images next to each other, with the row titles at the left.

    Args:
        blocks: Title → rows of RGB images, uint8, ``(H, W, 3)``; every block has ``len(row_titles)`` rows.
        row_titles: One title a row.
        cell: Side of a cell in pixels. Small images are enlarged by a whole factor without smoothing.
    """
    font = ImageFont.load_default(_FONT_SIZE)
    left = _MARGIN + max((int(font.getlength(title)) for title in row_titles), default=0) + _GAP * 2
    top = _MARGIN + (_FONT_SIZE + 2 * _GAP if any(blocks) else 0)
    widths = [
        max(max(len(row) for row in rows) * (cell + _GAP) - _GAP, int(font.getlength(title)))
        for title, rows in blocks.items()
    ]
    width = left + sum(widths) + _BLOCK_GAP * (len(widths) - 1) + _MARGIN
    height = top + len(row_titles) * (cell + _GAP) - _GAP + _MARGIN
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for position, title in enumerate(row_titles):
        draw.text((left - 2 * _GAP, _row_top(top, position, cell) + cell // 2), title, _INK, font, anchor="rm")
    for (title, rows), block_width in zip(blocks.items(), widths, strict=True):
        draw.text((left, _MARGIN), title, _INK, font, anchor="la")
        for position, row in enumerate(rows):
            for column, image in enumerate(row):
                tile = _fit(image, cell)
                x = left + column * (cell + _GAP) + (cell - tile.width) // 2
                sheet.paste(tile, (x, _row_top(top, position, cell) + (cell - tile.height) // 2))
        left += block_width + _BLOCK_GAP
    return sheet


def _row_top(top: int, position: int, cell: int) -> int:
    return top + position * (cell + _GAP)


def _fit(image: Pixels, cell: int) -> Image.Image:
    side = max(image.shape[:2])
    tile = Image.fromarray(image)
    if side > cell:
        tile.thumbnail((cell, cell), Image.Resampling.LANCZOS)
        return tile
    factor = cell // side
    return tile.resize((tile.width * factor, tile.height * factor), Image.Resampling.NEAREST)


def _choose(count: int, most: int) -> list[int]:
    return list(range(count)) if count <= most else [place * count // most for place in range(most)]


def _first_images(shard_set: ShardSet, chosen: Sequence[int], most: int) -> list[list[Pixels]]:
    per_class = shard_set.manifest.images_per_class
    columns = min(most, per_class)
    positions = [cls * per_class + index for cls in chosen for index in range(columns)]
    images = [sample.image for sample in shard_set.take(positions)]
    return [images[start : start + columns] for start in range(0, len(images), columns)]


def _paths(sets: Iterable[ShardSet]) -> str:
    return ", ".join(str(shard_set.path) for shard_set in sets)
