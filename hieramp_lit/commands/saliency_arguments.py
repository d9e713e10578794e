"""The part of `hieramp analyze` that looks at class-token maps: its arguments, and what it does with them."""

import argparse
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hieramp_lit.analysis.chosen_classes import chosen_classes
from hieramp_lit.analysis.saliency import (
    Map,
    MapMeasures,
    Mask,
    MaskFolder,
    bright_mask,
    chosen_positions,
    every_stored_map,
    has_maps,
    patch_nums_of,
    recomputed_maps,
    stored_maps,
)
from hieramp_lit.analysis.saliency.files import Look, write_figures, write_pictures, write_tables
from hieramp_lit.analysis.saliency.strips import NORMALIZATION
from hieramp_lit.analysis.saliency.summary import MOST_NAMED, mask_counts, numbers, pairs
from hieramp_lit.analysis.token_maps import UNKNOWN
from hieramp_lit.bench.machine import chosen_device
from hieramp_lit.commands.arguments import at_least_one
from hieramp_lit.commands.saliency_generator import generator_of
from hieramp_lit.shards import ShardSet
from hieramp_lit.shards.format import parse_key
from hieramp_lit.shards.write_errors import explained
from hieramp_lit.var import Scales

BRIGHT = "bright"
AGAINST_MASKS = "--against-masks"
FOLDER = "saliency"
"""Folder of the pictures and tables, within the command's own."""

Progress = Callable[[int, int], None]


class _Source(NamedTuple):
    """One set, the arguments that belong to it, and whether the other set has masks."""

    title: str
    shards: ShardSet
    config: Sequence[str]
    config_key: str
    masks: str | None
    masks_key: str
    beside_masks: bool


def add_saliency_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `analyze_saliency`.

    Args:
        parser: Of the command; it has ``--against``, ``--classes``, ``--patch-nums`` and ``--device`` too.
    """
    group = parser.add_argument_group(
        "class-token maps",
        "Where class tokens look, drawn over images from the coarsest scale to the finest, with --against in pairs. "
        "Maps come from the set (model.save_saliency: true); without them, --config makes them again.",
    )
    add = group.add_argument
    add(
        "--images", nargs="+", default=[], metavar="KEY",
        help="images to draw, such as r00007_00000 (default: the first of --classes, or of ten evenly spaced classes)",
    )  # fmt: skip
    add(
        "--saliency-images", type=at_least_one, default=1, metavar="N",
        help="without --images: images to draw of each class (default: %(default)s)",
    )  # fmt: skip
    for key, whose in (("--config", "SET"), ("--against-config", "the set of --against")):
        add(
            key, nargs="+", default=[], metavar=("FILE", "KEY=VALUE"),
            help=f"the configuration that made {whose}, as for `hieramp predict`, and what overrides it, such as "
            "model.checkpoint=FILE: generates the drawn images again, where no maps are stored",
        )  # fmt: skip
    add(
        "--masks", metavar="FOLDER",
        help="masks of the set's objects: PNG files named by image, r00007_00000.png, in which pixels other than black "
        f"are the object; or the word {BRIGHT}: bright pixels are, as in digits. Adds IoU and pointing game",
    )  # fmt: skip
    add(
        "--against-masks", metavar="FOLDER",
        help=f"masks of the images of --against, which are others (default: {BRIGHT} where --masks is)",
    )  # fmt: skip
    add(
        "--mask-threshold", type=_share, default=0.5, metavar="T",
        help=f"for {BRIGHT}: mean of the channels, 0 to 1, above which a pixel is the object (default: %(default)s)",
    )  # fmt: skip


def analyze_saliency(
    options: argparse.Namespace, sets: Mapping[str, ShardSet], out: Path, progress: Progress
) -> dict[str, Any]:
    """Draw and measure the maps of one set, or of two with equal seeds.

    Args:
        options: With the arguments of `add_saliency_arguments`, and ``classes``, ``patch_nums``, ``device``.
        sets: Title → set; the first is the one in question, a second is what it is compared with.
        out: Folder of the command; pictures and tables go into ``saliency`` there.
        progress: Told how many images are measured, and of how many.

    Returns:
        Plain values: sets with their means per scale, images drawn, pairs, notes (what is left out, and why), files.
        Under ``absent`` why there is nothing, or for a set, why it has none.

    Raises:
        ShardError: If a set is damaged.
        ValueError: If arguments do not fit each other or the sets.
        OSError: If a file cannot be written.
    """
    sources = _sources(options, sets)
    absent = {source.title: reason for source in sources if (reason := _absence(options, source)) is not None}
    present = [source for source in sources if source.title not in absent]
    if not present:
        return {"absent": " ".join(absent.values())}
    told: dict[str, Any] = {title: {"absent": reason} for title, reason in absent.items()}
    notes, looks = [f"{title}: no class-token maps. {reason}" for title, reason in absent.items()], []
    for source in present:
        look, told[source.title] = _look(
            options, source, _positions(options, source.shards, sources[0].shards), progress
        )
        notes += [f"{source.title}: {note}" for note in _notes(source, told[source.title])]
        looks.append(look)
    result: dict[str, Any] = {
        "normalization": NORMALIZATION,
        "sets": told,
        "images": list(dict.fromkeys(one.key for look in looks for one in look.drawn)),
    }
    if len(looks) > 1:
        result["pairs"] = pairs(looks[0], looks[1], (sources[0].shards.manifest.seed, sources[1].shards.manifest.seed))
        if "absent" in result["pairs"]:
            notes.append(f"Class-token maps are not drawn in pairs: {result['pairs']['absent']}")
        blocks = [told[source.title]["block"] for source in present]
        if blocks[0] != blocks[1]:
            notes.append(f"The maps compared are of different blocks, {blocks[0]} and {blocks[1]}.")
    written = _write(looks, "absent" not in result.get("pairs", {}), out / FOLDER)
    return {**result, "notes": notes, "files": [str(path.relative_to(out)) for path in written]}


def _write(looks: Sequence[Look], together: bool, folder: Path) -> list[Path]:
    """Tables and pictures; of sets without pairs in folders of their own."""
    with explained(folder, key="--out", kept="The sets are as they were."):
        written = write_tables(looks, folder)
        for number, group in enumerate([looks] if together else [[look] for look in looks]):
            place = folder if number == 0 else folder / "against"
            written += [*write_figures(group, place), *write_pictures(group, place)]
    return written


def _sources(options: argparse.Namespace, sets: Mapping[str, ShardSet]) -> list[_Source]:
    """The sets with their arguments; refuses arguments of a comparison where there is none."""
    against_masks = options.against_masks or (BRIGHT if options.masks == BRIGHT else None)
    given = [
        (options.config, "--config", options.masks, "--masks", False),
        (options.against_config, "--against-config", against_masks, AGAINST_MASKS, options.masks is not None),
    ]
    if not 1 <= len(sets) <= len(given):
        raise ValueError(f"{len(sets)} sets: class-token maps of one set or of two are drawn.")
    if len(sets) == 1 and (options.against_config or options.against_masks):
        raise ValueError("--against-config and --against-masks belong to --against SET, which is missing.")
    each = zip(sets.items(), given, strict=False)  # the second arguments belong to a second set
    return [_Source(title, shards, *arguments) for (title, shards), arguments in each]


def _sides(options: argparse.Namespace, shards: ShardSet) -> Sequence[int] | None:
    """Sides of a set's token maps, as it says itself, else as given."""
    told = patch_nums_of(shards)
    return options.patch_nums if told is None else told


def _absence(options: argparse.Namespace, source: _Source) -> str | None:
    """Why there can be no maps of a set; None if there can."""
    shards = source.shards
    if has_maps(shards):
        return None if _sides(options, shards) is not None else f"{shards.path}: {UNKNOWN}."
    if source.config:
        return None
    if "sampling" not in shards.manifest.configuration:
        return f"{shards.path} was made by {shards.manifest.generator}, which has no class tokens."
    return (
        f"{shards.path} stores none: give its configuration with {source.config_key}, which generates the drawn images "
        "again, or make the set with model.save_saliency=true."
    )


def _positions(options: argparse.Namespace, shards: ShardSet, first: ShardSet) -> list[int]:
    """Images to draw: as chosen in the first set, and the same of the other where it has them."""
    classes = chosen_classes(first.classes, options.classes)
    chosen = chosen_positions(first, options.images, classes, images_per_class=options.saliency_images)
    if shards is first:
        return chosen
    ipc, theirs = first.manifest.images_per_class, shards.manifest.images_per_class
    place = {row: cls for cls, row in enumerate(shards.classes.rows)}
    wanted = [(first.classes.rows[position // ipc], position % ipc) for position in chosen]
    same = [place[row] * theirs + index for row, index in wanted if row in place and index < theirs]
    return same or chosen_positions(shards)


def _look(
    options: argparse.Namespace, source: _Source, positions: Sequence[int], progress: Progress
) -> tuple[Look, dict[str, Any]]:
    """Draw some images of a set, and measure all that have maps: those that are stored, else those that are drawn."""
    shards, bright, told = source.shards, source.masks == BRIGHT, dict[str, Any]()
    folder = None
    if source.masks is not None and not bright:
        folder = MaskFolder(Path(source.masks).expanduser(), source.masks_key)
    if has_maps(shards):
        sides = _sides(options, shards) or ()
        drawn, total = stored_maps(shards, positions, sides), len(shards)
        every: Iterator[tuple[str, tuple[Map | None, ...], Any]] = every_stored_map(shards, sides, images=bright)
        told["source"] = "stored"
    else:
        generator = generator_of(shards, source.config, chosen_device(options.device), source.config_key)
        found = recomputed_maps(shards, generator, positions)
        sides, drawn, total = found.sides, found.images, len(found.images)
        every = ((one.key, one.maps, one.image) for one in drawn)
        told |= {"source": "recomputed", "different_tokens": found.different}
    height, width = drawn[0].image.shape[:2]  # a generator's images are all of one size
    if bright and min(height, width) < max(sides):
        raise ValueError(
            f"{source.masks_key} {BRIGHT}: {drawn[0].key} has {width} × {height} pixels, which cannot "
            f"show the finest map, of {max(sides)} × {max(sides)} positions. Give a folder of larger masks."
        )
    measures, place = MapMeasures(sides), {row: cls for cls, row in enumerate(shards.classes.rows)}
    for number, (key, maps, image) in enumerate(every, 1):
        mask: Mask | None = bright_mask(image, options.mask_threshold) if bright else None
        if folder is not None:
            mask = folder.mask(key, height, width, max(sides))
        measures.add(key, place[parse_key(key)[0]], maps, mask)
        progress(number, total)
    scales = Scales(sides)
    told["block"] = max(shards.manifest.configuration.get("saliency_blocks") or [None])
    told["scales"] = [{"scale": k, "side": side, "stage": scales.stage_of(k)} for k, side in enumerate(sides)]
    told |= numbers(measures, drawn, source.masks is not None)
    if source.masks is not None:
        threshold = {"threshold": options.mask_threshold} if bright else {}
        told["masks"] = {"source": source.masks, **threshold, **mask_counts(measures, folder)}
    return Look(source.title, shards.classes.names, drawn, measures), told


def _notes(source: _Source, told: Mapping[str, Any]) -> Iterator[str]:
    """What of a set is left out or not used."""
    if told["source"] == "stored" and source.config:
        yield f"{source.config_key} is not used, the set stores its maps."
    if told["source"] == "recomputed":
        yield f"maps are measured for the {told['measured']} drawn images alone, since the set stores none."
    different = told.get("different_tokens")
    if different:
        yield (
            f"{len(different)} images came out with other tokens than the set stores, so their maps are left out: "
            f"{_listed(different)}. A device and precision like those that made the set gives the same."
        )
    for name, what in (("missing", "without a mask"), ("empty", "with a mask that marks no pixel")):
        if told.get("masks", {}).get(name):
            masks = told["masks"]
            yield (
                f"{masks[name]} of {told['measured']} images {what}, left out of IoU and pointing game: "
                + _listed(masks[f"{name}_keys"], masks[name])
                + "."
            )
    if source.masks is None and source.masks_key == AGAINST_MASKS and source.beside_masks:
        yield f"no overlap with masks: {AGAINST_MASKS} is not given, and --masks is of the images of the first set."


def _listed(keys: Collection[str], count: int | None = None) -> str:
    first = list(keys)[:MOST_NAMED]
    return ", ".join(first) + (", …" if (count or len(keys)) > len(first) else "")


def _share(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not in 0 to 1")
    return number
