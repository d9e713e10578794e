"""Images of a set with the maps of their class tokens: as stored, or generated once more."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hieramp_lit.analysis.saliency.grids import Map, own_grids
from hieramp_lit.generate.base import Generator
from hieramp_lit.shards import ShardError, ShardSample, ShardSet
from hieramp_lit.shards.decode import decode_array
from hieramp_lit.shards.format import SALIENCY
from hieramp_lit.shards.identity import differences
from hieramp_lit.shards.reader import decode_sample
from hieramp_lit.shards.saliency import stack_saliency

Pixels = NDArray[np.uint8]

_REMEDY = "Make the set again."


class ImageMaps(NamedTuple):
    """One image and what its class tokens attended to.

    Attributes:
        key: Of the sample.
        row: Class row.
        cls: Index in the set's class list.
        image_index: Index of the image within its class.
        image: RGB pixels, uint8, shape ``(H, W, 3)``.
        maps: For each scale from the coarsest its map on its own grid, summing to 1; None without a class token.
    """

    key: str
    row: int
    cls: int
    image_index: int
    image: Pixels
    maps: tuple[Map | None, ...]


class Recomputed(NamedTuple):
    """What `recomputed_maps` found.

    Attributes:
        images: Those whose tokens came out as stored, in ascending order of their positions.
        different: Keys of the others, each with how many of its tokens differ.
        sides: Of the token maps.
    """

    images: list[ImageMaps]
    different: dict[str, int]
    sides: tuple[int, ...]


def patch_nums_of(shards: ShardSet) -> tuple[int, ...] | None:
    """Sides of a set's token maps, from its manifest; None of sets that do not say."""
    told = shards.manifest.configuration.get("tokens")
    return tuple(told["patch_nums"]) if isinstance(told, dict) else None


def has_maps(shards: ShardSet) -> bool:
    """Whether the samples of a set carry maps."""
    return bool(shards.manifest.identity["save_saliency"])


def stored_maps(shards: ShardSet, positions: Iterable[int], patch_nums: Sequence[int] | None = None) -> list[ImageMaps]:
    """Images of a set with the maps that were stored with them (``model.save_saliency: true``).

    Args:
        shards: The set.
        positions: ``cls * images_per_class + index`` of each wanted image.
        patch_nums: Sides of the token maps; None takes them from the manifest.

    Returns:
        In ascending order of the positions.

    Raises:
        ShardError: If a shard is damaged, the set has no such position, or the images have class tokens at other
            scales than the first of them, or at none.
        ValueError: If the set stores no maps, or does not say of which scales.
    """
    sides, scales = _sides(shards, patch_nums), _TokenScales(shards)
    found = [_with_maps(sample, sample.saliency, sides, shards) for sample in shards.take(positions)]
    for one in found:
        scales.check(one.key, one.maps)
    return found


def every_stored_map(
    shards: ShardSet, patch_nums: Sequence[int] | None = None, images: bool = False
) -> Iterator[tuple[str, tuple[Map | None, ...], Pixels | None]]:
    """Keys, maps and images of the whole set in plan order, one in memory at a time.

    Args:
        shards: The set.
        patch_nums: As for `stored_maps`.
        images: Also decode the images, which takes most of the time; None stands for them otherwise.

    Raises:
        ShardError: If a shard is damaged, or as for `stored_maps`.
        ValueError: As for `stored_maps`.
    """
    sides, scales = _sides(shards, patch_nums), _TokenScales(shards)
    for record in shards.manifest.shards:
        for key, fields in shards.read(record):
            if images:
                sample = decode_sample(key, fields, record.file)
                stored, image = sample.saliency, sample.image
            else:
                image = None
                try:
                    stored = decode_array(fields[SALIENCY], np.float16, 3) if SALIENCY in fields else None
                except ValueError as error:
                    raise ShardError(f"{shards.path / record.file}: {key}.{SALIENCY}: {error}.") from error
            maps = _own_grids(key, stored, sides, shards)
            scales.check(key, maps)
            yield key, maps, image


def recomputed_maps(
    shards: ShardSet, generator: Generator, positions: Iterable[int], batch_size: int = 16
) -> Recomputed:
    """Generate images of a set once more, now recording what their class tokens attend to.

    Recording changes no bit of an image, so the tokens must come out as they are stored. Where they do not, since
    another device or batch size rounded a tie otherwise, the maps are of another image and are left out.

    Args:
        shards: The set.
        generator: That of the set's own configuration, on its device and in its precision.
        positions: As for `stored_maps`.
        batch_size: Images generated at once.

    Raises:
        ShardError: If a shard is damaged, or the set has no such position.
        ValueError: If generator and set differ in weights, schedule or sampling; if the set stores no tokens; or if
            no image came out as stored.
    """
    _check_generator(shards, generator)
    samples = list(shards.take(positions))
    found = Recomputed([], {}, tuple(generator.identity()["tokens"]["patch_nums"]))
    for start in range(0, len(samples), batch_size):
        part = samples[start : start + batch_size]
        rows, indices = (
            torch.tensor(numbers) for numbers in zip(*((one.row, one.image_index) for one in part), strict=True)
        )
        generated = generator.generate(rows, indices, shards.manifest.seed, record_saliency=True)
        if generated.tokens is None:
            raise ValueError(
                f"The generator {generator.name!r} makes images without tokens, so it has no class tokens."
            )
        stacked = stack_saliency(generated.saliency or {}).numpy()
        for sample, tokens_L, saliency_KPP in zip(part, generated.tokens.cpu().numpy(), stacked, strict=True):
            wrong = _different(sample, tokens_L, shards)
            if wrong:
                found.different[sample.key] = wrong
            else:
                found.images.append(_with_maps(sample, saliency_KPP, found.sides, shards))
    if samples and not found.images:
        raise ValueError(
            f"{shards.path}: none of {len(samples)} images came out with the tokens that the set stores (of "
            f"{samples[0].key} {found.different[samples[0].key]} of {len(tokens_L)} differ), so there are no maps of "
            "them. Give the set's own configuration, and a device like the one that it was made on."
        )
    return found


class _TokenScales:
    """The scales that have a class token: a property of a set, so that of its first image."""

    def __init__(self, shards: ShardSet) -> None:
        self._shards = shards
        self._first: tuple[str, list[bool]] | None = None

    def check(self, key: str, maps: Sequence[Map | None]) -> None:
        """Refuse an image whose maps are missing where others have one, or the other way round."""
        present = [one is not None for one in maps]
        if self._first is None:
            if not any(present):
                raise ShardError(
                    f"{self._shards.path}: {key}.{SALIENCY}: NaN at every scale, so it has no map. {_REMEDY}"
                )
            self._first = key, present
        first, expected = self._first
        if present != expected:
            scale = next(k for k, pair in enumerate(zip(present, expected, strict=True)) if pair[0] != pair[1])
            found, other = ("a map", "NaN") if present[scale] else ("NaN", "a map")
            raise ShardError(
                f"{self._shards.path}: {key}.{SALIENCY}: {found} at scale {scale}, where {first} has {other}; all "
                f"images of a set have class tokens at the same scales. {_REMEDY}"
            )


def _check_generator(shards: ShardSet, generator: Generator) -> None:
    """Compare what the set says about its generator; sets of older releases say less."""
    told = {"generator": shards.manifest.generator, **shards.manifest.configuration}
    offered = {"generator": generator.name, **generator.identity()}
    found = differences(told, {name: offered.get(name) for name in told})
    if found:
        listed = "\n  ".join(found)
        raise ValueError(
            f"{shards.path} was made by another configuration, so its images would not come out again; give its own. "
            f"It differs in:\n  {listed}"
        )
    if "tokens" not in offered:
        raise ValueError(f"The generator {generator.name!r} has no token maps, so there is no class token to look at.")


def _different(sample: ShardSample, tokens_L: NDArray[np.int64], shards: ShardSet) -> int:
    """Tokens that differ from the stored ones."""
    if sample.tokens is None or sample.tokens.shape != tokens_L.shape:
        shape = None if sample.tokens is None else sample.tokens.shape
        raise ValueError(
            f"{shards.path}: {sample.key} stores tokens of shape {shape} where the generator makes {tokens_L.shape}, "
            "so it cannot be told whether its maps are of the same image."
        )
    return int((sample.tokens != tokens_L).sum())


def _with_maps(
    sample: ShardSample, saliency_KPP: NDArray[np.float16] | None, sides: Sequence[int], shards: ShardSet
) -> ImageMaps:
    maps = _own_grids(sample.key, saliency_KPP, sides, shards)
    return ImageMaps(sample.key, sample.row, sample.cls, sample.image_index, sample.image, maps)


def _own_grids(
    key: str, saliency_KPP: NDArray[np.float16] | None, sides: Sequence[int], shards: ShardSet
) -> tuple[Map | None, ...]:
    if saliency_KPP is None:
        raise ShardError(f"{shards.path}: {key} has no {SALIENCY}. `hieramp verify` names every fault of the set.")
    try:
        return own_grids(saliency_KPP, sides)
    except ValueError as error:
        raise ShardError(f"{shards.path}: {key}.{SALIENCY}: {error}.") from error


def _sides(shards: ShardSet, patch_nums: Sequence[int] | None) -> Sequence[int]:
    if not has_maps(shards):
        raise ValueError(f"{shards.path} stores no saliency maps: it was made with model.save_saliency: false.")
    sides = patch_nums or patch_nums_of(shards)
    if sides is None:
        raise ValueError(
            f"{shards.path} does not say which token maps its saliency maps are of, since it was made before sets said "
            "so: give --patch-nums and --vocab-size."
        )
    return sides
