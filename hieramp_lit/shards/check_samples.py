"""The samples of one shard against the plan: keys, labels, provenance, fields, sizes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hieramp_lit.classes import ClassList
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.format import CLS, JSON, SALIENCY, TOKENS, sample_key
from hieramp_lit.shards.identity import differences, provenance
from hieramp_lit.shards.reader import ShardSample, decode_sample, read_shard


class ShardPlace(NamedTuple):
    """A shard to check.

    Attributes:
        path: Its file.
        number: Its number in the set.
        samples: How many samples its record names.
    """

    path: Path
    number: int
    samples: int


class Traits(NamedTuple):
    """What all samples of a set have in common.

    Attributes:
        fields: Names of their fields.
        size: Height and width of their images in pixels.
    """

    fields: tuple[str, ...]
    size: tuple[int, ...]

    def __str__(self) -> str:
        return f"{' × '.join(map(str, self.size))} pixels and the fields {', '.join(self.fields)}"


def check_samples(
    place: ShardPlace, identity: Mapping[str, Any] | None, classes: ClassList | None
) -> tuple[list[str], Traits | None]:
    """Read every sample of a shard.

    Args:
        place: Which shard.
        identity: The set's, with its plan; None checks only that the samples are readable.
        classes: Its class list; None leaves out what each sample says of its class.

    Returns:
        What is wrong, one line a fault; and the traits of the first sample that is readable.
    """
    faults: list[str] = []
    traits: Traits | None = None
    count = 0
    try:
        for count, (key, fields) in enumerate(read_shard(place.path), start=1):
            try:
                sample = decode_sample(key, fields, place.path.name)
            except ShardError as error:
                faults.append(str(error.__cause__ or error))
                if identity is not None:
                    faults.extend(_key_faults(key, identity, place, count))
                continue
            own = Traits(tuple(sorted(fields)), sample.image.shape[:2])
            traits = traits or own
            if own != traits:
                faults.append(f"sample {key} has {own}, the samples before {traits}")
            if identity is not None:
                faults.extend(_key_faults(key, identity, place, count) or _faults_of(sample, fields, identity, classes))
    except ShardError as error:
        return [*faults, str(error.__cause__ or error)], traits
    if count != place.samples:
        faults.append(f"{count} samples, its record names {place.samples}")
    return faults, traits


def _key_faults(key: str, identity: Mapping[str, Any], place: ShardPlace, count: int) -> list[str]:
    plan = identity["plan"]
    cls, index = divmod(place.number * plan["shard_size"] + count - 1, plan["images_per_class"])
    if cls >= len(plan["rows"]):
        return [f"key {key} beyond the end of the plan"]
    expected = sample_key(plan["rows"][cls], index)
    return [] if key == expected else [f"key {key} where the plan has {expected}"]


def _faults_of(
    sample: ShardSample, fields: Mapping[str, bytes], identity: Mapping[str, Any], classes: ClassList | None
) -> Iterator[str]:
    if classes is not None:
        entry = classes.entries[sample.cls] if sample.cls < len(classes) else None
        if entry is None or entry.row != sample.row:
            yield f"sample {sample.key} has cls {sample.cls}, which is not the class of row {sample.row}"
        else:
            wrong = differences(sample.info, provenance(identity, entry, sample.image_index))
            if wrong:
                names = ", ".join(line.partition(":")[0] for line in wrong)
                yield f"sample {sample.key}: its json disagrees with the set in {names}"
    side = identity["save_size"]
    if side is not None and sample.image.shape[:2] != (side, side):
        yield f"sample {sample.key} is {sample.image.shape[:2]} pixels, save_size is {side}"
    expected = {identity["image_format"], CLS, JSON} | ({SALIENCY} if identity["save_saliency"] else set())
    if set(fields) - {TOKENS} != expected:
        yield f"sample {sample.key} has the fields {sorted(fields)}, expected {sorted(expected)}, with {TOKENS} or not"
