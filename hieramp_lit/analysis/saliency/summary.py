"""What is told about a set's class-token maps in JSON: means, values of the drawn images, masks, pairs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hieramp_lit.analysis.saliency.files import Look
from hieramp_lit.analysis.saliency.maps import ImageMaps
from hieramp_lit.analysis.saliency.masks import MaskFolder
from hieramp_lit.analysis.saliency.measuring import MapMeasures, Mean, paired_differences

MOST_NAMED = 12


def numbers(measures: MapMeasures, drawn: Sequence[ImageMaps], masked: bool) -> dict[str, Any]:
    """Means per scale over all measured images, and the values of those that are drawn.

    Args:
        measures: Of the images.
        drawn: Those whose values are told one by one.
        masked: Whether masks were asked for; otherwise nothing is told of them.
    """
    found = measures.scale_means()
    names = [name for name in found if masked or name.startswith("entropy")]
    rows = {key: row for row, key in enumerate(measures.keys)}
    values = {name: measures.values(name) for name in (*names, *(["threshold"] if masked else []))}
    images = {
        one.key: {name: [_known(value) for value in table[rows[one.key]]] for name, table in values.items()}
        for one in drawn
    }
    return {
        "measured": len(measures.keys),
        "means": _plain({name: found[name] for name in names}),
        "drawn": images,
    }


def mask_counts(measures: MapMeasures, folder: MaskFolder | None) -> dict[str, Any]:
    """How many masks were found, which are missing, which mark nothing.

    Args:
        measures: Of the images.
        folder: That of the masks; None where they follow from the images.

    Raises:
        ValueError: If the folder has no mask of any measured image.
    """
    shares = [share for share in measures.mask_shares if not np.isnan(share)]
    if folder is not None and len(measures.unmasked) == len(measures.keys):
        raise ValueError(
            f"{folder.key} {folder.folder}: none of its {len(folder.keys)} masks is of one of the "
            f"{len(measures.keys)} measured images; they are named {measures.keys[0]}.png and so on."
        )
    counts: dict[str, Any] = {"found": len(shares)}
    for name, keys in (("missing", measures.unmasked), ("empty", measures.empty)):
        counts |= {name: len(keys), f"{name}_keys": keys[:MOST_NAMED]}
    if folder is not None:
        counts["of_other_images"] = len(set(folder.keys) - set(measures.keys))
    return counts | {"mean_share_of_image": sum(shares) / len(shares) if shares else None}


def pairs(ours: Look, other: Look, seeds: tuple[int, int]) -> dict[str, Any]:
    """What one set's values are above another's, image by image; under ``absent`` why there are no pairs.

    Args:
        ours: A set.
        other: Another.
        seeds: Of both: only of one seed images of the same key start from the same random numbers.
    """
    if seeds[0] != seeds[1]:
        return {"absent": f"the seeds are {seeds[0]} and {seeds[1]}: images of the same key have nothing in common."}
    sides = ours.measures.sides, other.measures.sides
    if sides[0] != sides[1]:
        return {"absent": f"scales of sides {list(sides[0])} and {list(sides[1])} do not match."}
    common = len(set(ours.measures.keys) & set(other.measures.keys))
    if not common:
        return {"absent": "the sets have no measured image in common."}
    names = ("entropy", "entropy_share", "iou", "pointing")
    found = {name: paired_differences(ours.measures, other.measures, name) for name in names}
    known = {name: value for name, value in found.items() if any(mean.n for mean in value)}
    return {"images": common, "difference": f"{ours.title} − {other.title}", "means": _plain(known)}


def _plain(measured: dict[str, list[Mean]]) -> dict[str, Any]:
    return {name: [mean._asdict() for mean in scales] for name, scales in measured.items()}


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
