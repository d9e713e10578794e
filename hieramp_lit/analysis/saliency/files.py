"""Files of a look at class-token maps: pictures, and tables of every number."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hieramp_lit.analysis.saliency.maps import ImageMaps
from hieramp_lit.analysis.saliency.measuring import MEASURES, MapMeasures
from hieramp_lit.analysis.saliency.strips import StripRow, draw_maps, draw_strips
from hieramp_lit.figures import save_figure
from hieramp_lit.figures.labels import one_line, wrapped
from hieramp_lit.figures.saliency_entropy import EntropyLine, draw_saliency_entropy
from hieramp_lit.figures.saliency_overlap import OverlapLine, draw_saliency_overlap
from hieramp_lit.files import atomic_write, write_text

FORMATS = ("png", "pdf", "svg")
"""Of figures, as of the command's others."""
_NAME = 28
"""Most characters of a line in pictures."""


class Look(NamedTuple):
    """What was found about one set's maps.

    Attributes:
        title: Of the set, as in titles of rows.
        class_names: In `cls` order.
        drawn: Images to draw.
        measures: Numbers of all images that were measured.
    """

    title: str
    class_names: Sequence[str]
    drawn: Sequence[ImageMaps]
    measures: MapMeasures


def write_pictures(looks: Sequence[Look], folder: Path) -> list[Path]:
    """Draw a strip of each image, one of all images, and a grid of all images at each scale.

    Where several sets have an image of the same key, its rows stand together, in the order of the sets.

    Args:
        looks: At least one with an image; their sets have equal seeds.
        folder: Where to write; made where it is not there.

    Returns:
        The files: ``strips.png``, ``images/KEY.png``, ``scales/scale_K.png``.

    Raises:
        OSError: If one cannot be written.
    """
    keys = list(dict.fromkeys(one.key for look in looks for one in look.drawn))
    rows = {key: list(_rows(looks, key)) for key in keys}
    written = [_save(draw_strips(rows[key], len(rows[key])), folder / "images" / f"{key}.png") for key in keys]
    paired = all(len(of_key) == len(looks) for of_key in rows.values())  # else rows cannot be grouped by counting
    strips = draw_strips([row for of_key in rows.values() for row in of_key], len(looks) if paired else 1)
    written.append(_save(strips, folder / "strips.png"))
    for scale in range(max(len(one.maps) for look in looks for one in look.drawn)):
        grid = _grid(looks, scale)
        if grid is not None:
            written.append(_save(grid, folder / "scales" / f"scale_{scale}.png"))
    return written


def write_tables(looks: Sequence[Look], folder: Path) -> list[Path]:
    """Write every number: per image and scale, per class and scale, and per scale.

    Args:
        looks: One for each set.
        folder: Where to write; made where it is not there.

    Returns:
        The files: ``images.csv``, ``classes.csv``, ``scales.csv``.

    Raises:
        OSError: If one cannot be written.
    """
    names = [name for name in MEASURES if name != "threshold"]
    spread = [f"{name}_{kind}" for name in names for kind in ("mean", "std", "n")]
    tables = {
        "images.csv": (["set", "key", "cls", "scale", "side", *MEASURES, "mask_share"], _image_lines(looks)),
        "classes.csv": (["set", "cls", "name", "scale", "side", *spread], _class_lines(looks, names)),
        "scales.csv": (["set", "scale", "side", *spread], _scale_lines(looks, names)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, (columns, lines) in tables.items():
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(lines)
        write_text(folder / name, text.getvalue())
    return [folder / name for name in tables]


def write_figures(looks: Sequence[Look], folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Draw the entropy per scale of each set, and the overlap with masks of those whose masks are known.

    Args:
        looks: One for each set, with the same scales.
        folder: Where to write; made where it is not there.
        formats: See `figures.save_figure`.

    Returns:
        The files: ``entropy`` and, with masks, ``overlap``, in each format.

    Raises:
        OSError: If one cannot be written.
    """
    entropy = {look.title: entropy_line(look.measures) for look in looks}
    found = {look.title: line for look in looks if (line := overlap_line(look.measures)) is not None}
    folder.mkdir(parents=True, exist_ok=True)
    sides = looks[0].measures.sides
    written = save_figure(draw_saliency_entropy(entropy, sides), folder / "entropy", formats)
    if found:
        written += save_figure(draw_saliency_overlap(found, sides), folder / "overlap", formats)
    return written


def entropy_line(measures: MapMeasures) -> EntropyLine:
    """Entropy of the maps per scale, as share of the highest."""
    share = measures.scale_means()["entropy_share"]
    return EntropyLine(
        means=[one.mean for one in share], stds=[one.std for one in share], images=max(one.n for one in share)
    )


def overlap_line(measures: MapMeasures) -> OverlapLine | None:
    """Overlap of the maps with masks per scale; None without any mask."""
    means, shares = measures.scale_means(), np.array(measures.mask_shares)
    if np.isnan(shares).all():
        return None
    return OverlapLine(
        iou=[one.mean for one in means["iou"]],
        pointing=[one.mean for one in means["pointing"]],
        pointing_chance=[one.mean for one in means["pointing_chance"]],
        mask_share=float(np.nanmean(shares)),
        images=max(one.n for one in means["iou"]),
    )


def _rows(looks: Sequence[Look], key: str) -> Iterator[StripRow]:
    """Rows of one image: its class and key stand at the first."""
    first = True
    for look in looks:
        for one in look.drawn:
            if one.key == key:
                heading = f"{wrapped(look.class_names[one.cls], _NAME)}\n{key}\n" if first else ""
                yield StripRow(f"{heading}{one_line(look.title, _NAME)}", one.image, one.maps)
                first = False


def _grid(looks: Sequence[Look], scale: int) -> Image.Image | None:
    """All images at one scale, a row a class; None where no image has a map."""
    blocks = {}
    classes = sorted({one.cls for look in looks for one in look.drawn})
    for look in looks:
        rows = []
        for cls in classes:
            maps = [(one.image, one.maps[scale]) for one in look.drawn if one.cls == cls]
            rows.append([(image, map_hw) for image, map_hw in maps if map_hw is not None])
        if any(rows):
            blocks[f"scale {scale}, {look.title}"] = rows
    names = [wrapped(looks[0].class_names[cls], _NAME) for cls in classes]
    return draw_maps(blocks, names) if blocks else None


def _image_lines(looks: Sequence[Look]) -> Iterator[list[object]]:
    for look in looks:
        measures = look.measures
        values = np.stack([measures.values(name) for name in MEASURES], axis=-1)
        cells = _cells(values).tolist()
        shares = _cells(np.array(measures.mask_shares)).tolist()
        for key, cls, scales, share in zip(measures.keys, measures.classes, cells, shares, strict=True):
            for scale, (side, numbers) in enumerate(zip(measures.sides, scales, strict=True)):
                yield [look.title, key, cls, scale, side, *numbers, share]


def _class_lines(looks: Sequence[Look], names: Sequence[str]) -> Iterator[list[object]]:
    for look in looks:
        for cls, means in look.measures.class_means().items():
            for scale, side in enumerate(look.measures.sides):
                numbers = [value for name in names for value in means[name][scale]]
                yield [look.title, cls, look.class_names[cls], scale, side, *numbers]


def _scale_lines(looks: Sequence[Look], names: Sequence[str]) -> Iterator[list[object]]:
    for look in looks:
        means = look.measures.scale_means()
        for scale, side in enumerate(look.measures.sides):
            yield [look.title, scale, side, *(value for name in names for value in means[name][scale])]


def _cells(values: NDArray[np.float64]) -> NDArray[np.object_]:
    """Floats, and None, which CSV leaves empty, where there is no number."""
    cells = values.astype(object)
    cells[np.isnan(values)] = None
    return cells


def _save(picture: Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        picture.save(temporary, format="PNG")
    return path
