"""One pass over a set and one over real images: every measure of the set, as plain values."""

import logging
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

import torch

from hieramp_lit.analysis.token_maps import TokenMaps
from hieramp_lit.inspection.batches import batches
from hieramp_lit.inspection.beside_real import OF_REFERENCE, count_distances
from hieramp_lit.inspection.comparing import OF_NETWORK, Comparison
from hieramp_lit.inspection.findings import Findings
from hieramp_lit.inspection.images import LabelledImages, SetImages
from hieramp_lit.inspection.networks import FeatureNetwork
from hieramp_lit.inspection.settings import Settings
from hieramp_lit.inspection.tokens import TokenCount
from hieramp_lit.shards.manifest import package_versions

_log = logging.getLogger(__name__)

SCHEMA = 1
MANY = 100_000
PACKAGES = ("torchmetrics", "timm", "scipy")
NO_NETWORK = "needs a feature network: give --config STUDENT.yaml, --features NAME or --inception FILE"
COMPARABLE = (
    "Values with @NAME compare only with values of the very same features (weights and image size, see features), the "
    "same reference and as many images; torchmetrics' FID and KID, also with Inception's weights, are not the OpenAI "
    "evaluator's, by which papers on VAR and diffusion models report."
)

Progress = Callable[[int, int], None]


def inspect_set(
    images: SetImages,
    networks: Sequence[FeatureNetwork],
    reference: LabelledImages | None = None,
    maps: TokenMaps | None = None,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    batch_size: int = 64,
    device: torch.device = torch.device("cpu"),  # noqa: B008 (immutable)
    progress: Progress | None = None,
    distances: Progress | None = None,
    subsets: Progress | None = None,
) -> dict[str, Any]:
    """Measure a set.

    Images are decoded batch by batch and never kept; features are, 4 bytes a number, once a network.

    Args:
        images: The set.
        networks: What images are compared by, on `device`; of different names.
        reference: Real images to compare with.
        maps: What the set's tokens mean; None if it is not known.
        settings: How metrics are taken.
        batch_size: Images that pass a network at once; results do not depend on it, save rounding.
        device: Where networks compute.
        progress: Called with the numbers of images that are done and of all.
        distances: Likewise of distances between features; of all networks.
        subsets: Likewise of the subsets of KID.

    Returns:
        Plain JSON values: what was measured (`summary`, `per_class`, `per_scale`, `per_stage`, `nearest`, and the
        images that a teacher believes in least, `lowest_confidence`) and what was not (`not_measured`), of what and how
        (`set`, `reference`, `features`, `settings`, `comparable`), and with what (`versions`, `seconds`).

    Raises:
        ShardError: If the set or a set of real images is damaged.
        ValueError: If an image cannot be read, tokens do not fit, features are NaN, or names come twice.
    """
    start = time.monotonic()
    names = [network.name for network in networks]
    if len(set(names)) < len(names) or batch_size < 1:
        raise ValueError(f"Feature networks {names} and batch_size={batch_size}: names must differ, at least 1 image.")
    C, found = len(images.shards.classes), Findings()
    real = 0 if reference is None else len(reference)
    if reference is not None and networks and real > MANY:
        _warn_of_size(images, reference, networks)
    between, of_kid = Done(distances), Done(subsets)
    counted = between.add, of_kid.add
    comparisons = [Comparison(network, C, len(images), real, settings, device, *counted) for network in networks]
    count = TokenCount(maps, C)
    done = Done(progress)
    done.expect(len(images) + (real if comparisons else 0))
    _pass(images, comparisons, count, batch_size, device, done)
    if reference is not None and comparisons:
        _pass(reference, comparisons, None, batch_size, device, done)
    if not comparisons:
        found.leave_out((*OF_NETWORK, *OF_REFERENCE), NO_NETWORK)
    if reference is not None and comparisons:
        between.start(len(comparisons) * count_distances(images.labels, reference.labels))
        of_kid.expect(len(comparisons) * settings.kid_subsets)
    real_name = images.name if reference is None else reference.name
    nearest = {one.network.name: one.measure(found, images.name, real_name) for one in comparisons}
    if reference is not None and comparisons:
        between.finish()
    per_scale, per_stage = count.measure(found)
    return {
        "schema": SCHEMA,
        "set": images.describe(),
        "reference": None if reference is None else reference.describe(),
        "features": {network.name: network.describe() for network in networks},
        "settings": settings.describe(),
        "summary": found.summary,
        "per_class": _per_class(images, found),
        "per_scale": per_scale,
        "per_stage": per_stage,
        "nearest": nearest,
        "lowest_confidence": {one.network.name: one.lowest(images.name) for one in comparisons},
        "not_measured": found.not_measured,
        "warnings": found.warnings,
        "comparable": COMPARABLE,
        "versions": package_versions() | {name: metadata.version(name) for name in PACKAGES},
        "seconds": time.monotonic() - start,
    }


def _warn_of_size(images: LabelledImages, reference: LabelledImages, networks: Sequence[FeatureNetwork]) -> None:
    distances = count_distances(images.labels, reference.labels)
    size = sum(4 * network.num_features for network in networks) * len(reference) / 1e9
    _log.warning(
        "%s reference images: %.1e distances will be computed for each feature network, a number that grows with its "
        "square, and their features take %.1f GB, for a moment twice. --reference-images N takes N of them, drawn by "
        "--seed.",
        f"{len(reference):,}",
        distances,
        size,
    )


class Done:
    """Counts what is done.

    Args:
        progress: Told of it.
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._number = self._total = 0

    def expect(self, total: int) -> None:
        """Say how much there is to do, at most."""
        self._total = total

    def start(self, total: int) -> None:
        """Say it, and that it begins now."""
        self.expect(total)
        self.add(0)

    def add(self, number: int) -> None:
        """Count some."""
        self._number += number
        if self._progress is not None:
            self._progress(self._number, self._total)

    def finish(self) -> None:
        """There was no more to do."""
        self._total = self._number
        self.add(0)


def _pass(
    images: LabelledImages,
    comparisons: Sequence[Comparison],
    count: TokenCount | None,
    batch_size: int,
    device: torch.device,
    done: Done,
) -> None:
    """Every image once through every network; `count` is given where the images are those of the set."""
    size_of = [one.network.image_size or images.side for one in comparisons]
    for batch in batches(images, tuple(dict.fromkeys(size_of)), batch_size):
        label, number = batch.label.to(device), batch.number.to(device)
        on_device = {side: image.to(device) for side, image in batch.images.items()}
        try:
            for one, size in zip(comparisons, size_of, strict=True):
                one.update(on_device[size], label, number, real=count is None)
            if count is not None:
                count.update(batch.tokens, batch.label)
        except ValueError as error:
            first, last = (images.name(int(batch.number[place])) for place in (0, -1))
            error.add_note(f"The batch is that of the images {first} … {last}.")
            raise
        done.add(len(batch.label))


def _per_class(images: SetImages, found: Findings) -> list[dict[str, Any]]:
    each = images.shards.manifest.images_per_class
    return [
        {"cls": entry.cls, "row": entry.row, "wnid": entry.wnid, "name": entry.name, "images": each}
        | {name: values[entry.cls] for name, values in found.per_class.items()}
        for entry in images.shards.classes.entries
    ]
