"""What makes two shard sets the same: weights, schedule, sampling, seed, plan, stored form and precision.

Not in it, because a set must not depend on them: batch size, devices, times, paths, host.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hieramp_lit.classes import ClassEntry, ClassList
from hieramp_lit.shards.encode import encode_json
from hieramp_lit.shards.format import IMAGE_FORMATS, ImageFormat, sample_key


def set_identity(
    *,
    generator: str,
    configuration: Mapping[str, Any],
    classes: ClassList,
    images_per_class: int,
    shard_size: int,
    seed: int,
    save_size: int | None = None,
    image_format: ImageFormat = "png",
    save_saliency: bool = False,
    precision: str = "32-true",
) -> dict[str, Any]:
    """Collect everything that decides the bytes of a set, as plain JSON values.

    Args:
        generator: The generator's name.
        configuration: The generator's own identity: weights' sha256, schedule, sampling.
        classes: The set's class list.
        images_per_class: IPC.
        shard_size: Samples per shard.
        seed: The set's seed.
        save_size: Stored side in pixels; None keeps the generated size.
        image_format: ``png`` or ``webp``.
        save_saliency: Whether samples carry saliency maps.
        precision: The Trainer's precision, e.g. ``32-true``.

    Raises:
        ValueError: If `image_format` or `save_size` is impossible.
    """
    if image_format not in IMAGE_FORMATS:
        raise ValueError(f"image_format={image_format!r} is not known; allowed: {', '.join(IMAGE_FORMATS)}.")
    if save_size is not None and save_size < 1:
        raise ValueError(f"save_size={save_size} is not a side in pixels; give at least 1, or null to keep the size.")
    return {
        "generator": generator,
        "configuration": dict(configuration),
        "seed": seed,
        "plan": {
            "rows": list(classes.rows),
            "classes_sha256": classes_sha256(classes),
            "images_per_class": images_per_class,
            "shard_size": shard_size,
        },
        "save_size": save_size,
        "image_format": image_format,
        "save_saliency": save_saliency,
        "precision": precision,
    }


def check_identity(identity: Any) -> None:
    """Refuse what `set_identity` cannot have written, as in a manifest of somebody's.

    Raises:
        ValueError: Naming the keys whose values are impossible.
    """
    if not isinstance(identity, Mapping) or not isinstance(identity.get("plan"), Mapping):
        raise ValueError("the identity is no object with a plan")
    plan = identity["plan"]
    rows, save_size = plan.get("rows"), identity.get("save_size")
    sound = {
        "generator": isinstance(identity.get("generator"), str),
        "configuration": isinstance(identity.get("configuration"), Mapping),
        "seed": _is_count(identity.get("seed"), least=0),
        "plan.rows": isinstance(rows, list) and bool(rows) and all(_is_count(row, least=0) for row in rows),
        "plan.classes_sha256": isinstance(plan.get("classes_sha256"), str),
        "plan.images_per_class": _is_count(plan.get("images_per_class")),
        "plan.shard_size": _is_count(plan.get("shard_size")),
        "save_size": save_size is None or _is_count(save_size),
        "image_format": identity.get("image_format") in IMAGE_FORMATS,
        "save_saliency": isinstance(identity.get("save_saliency"), bool),
        "precision": isinstance(identity.get("precision"), str),
    }
    wrong = [name for name, is_sound in sound.items() if not is_sound]
    if wrong:
        raise ValueError(f"the identity has impossible values in {', '.join(wrong)}")


IMPORTED = "imported"
"""Key of the configuration of a set that `hieramp import` made from a folder of images."""


def made_by(identity: Mapping[str, Any]) -> str:
    """The command that makes a set of this identity: what its user types again."""
    return "hieramp import" if IMPORTED in identity["configuration"] else "hieramp predict"


def provenance(identity: Mapping[str, Any], entry: ClassEntry, index: int) -> dict[str, Any]:
    """What the `json` of a sample says.

    Args:
        identity: The set's.
        entry: The sample's class.
        index: Index of the image within its class.
    """
    return {
        **identity["configuration"],
        "generator": identity["generator"],
        "key": sample_key(entry.row, index),
        "cls": entry.cls,
        "row": entry.row,
        "wnid": entry.wnid,
        "name": entry.name,
        "index": index,
        "seed": identity["seed"],
    }


def identity_hash(identity: Mapping[str, Any]) -> str:
    """Hex SHA-256 of the identity's canonical JSON."""
    return content_sha256(encode_json(identity))


def classes_sha256(classes: ClassList) -> str:
    """Hex SHA-256 of a class list: order, rows, wnids and names."""
    return content_sha256(encode_json(classes.to_json()))


def content_sha256(content: bytes) -> str:
    """Hex SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def differences(folder: Any, run: Any, key: str = "") -> list[str]:
    """Say where two identities differ, one line a key, e.g. ``configuration.sampling.cfg: folder 4.0, this run 2.0``.

    Args:
        folder: Identity found in a folder.
        run: Identity that is asked for.
        key: Dotted key of these values; empty at the top.
    """
    if isinstance(folder, Mapping) and isinstance(run, Mapping):
        names = sorted(set(folder) | set(run))
        return [line for name in names for line in differences(folder.get(name), run.get(name), _join(key, name))]
    if _same_length_lists(folder, run):
        return list(_list_differences(folder, run, key))
    return [] if folder == run else [f"{key}: folder {_short(folder)}, this run {_short(run)}"]


def _is_count(value: Any, least: int = 1) -> bool:
    return type(value) is int and least <= value < 2**63


def _list_differences(folder: Sequence[Any], run: Sequence[Any], key: str) -> Iterator[str]:
    for position, (old, new) in enumerate(zip(folder, run, strict=True)):
        yield from differences(old, new, f"{key}[{position}]")


def _same_length_lists(folder: Any, run: Any) -> bool:
    return isinstance(folder, list) and isinstance(run, list) and len(folder) == len(run)


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _short(value: Any, most: int = 72) -> str:
    text = encode_json(value).decode()
    return text if len(text) <= most else f"{text[: most - 1]}…"
