"""What decides samples, so that a place among some is not taken for a place among others."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from lightning.pytorch.utilities import rank_zero_warn

from hieramp_lit.shards.encode import encode_json

KEYS = {
    "images": "data.train or data.classes: names, sizes and labels of the files; or data.validation or data.seed",
    "crop.image_size": "data.image_size",
    "crop.short_side": "data.short_side",
    "crop.filter": "data.filter or data.short_side",
    "crop.flip": "data.flip",
    "crop.padding": "data.padding",
    "crop.seed": "data.seed",
    "stream.readers": "data.readers",
    "stream.shuffle": "data.shuffle",
    "stream.world_size": "trainer.devices",
    "warp": "data.augmentation",
    "warp.seed": "data.seed",
}
"""Configuration keys behind an identity's; the longest one that fits counts."""


@runtime_checkable
class Identified(Protocol):
    """Samples that can say what decides them."""

    def identity(self) -> dict[str, Any] | None:
        """What decides the samples, as plain values: files, crops, seed; no paths of this machine. None: unknown."""


def identity_of(samples: object) -> dict[str, Any] | None:
    """What decides samples, as JSON would give it back; None where they cannot say."""
    identity = samples.identity() if isinstance(samples, Identified) else None
    plain: dict[str, Any] | None = json.loads(encode_json(identity))
    return plain


def check_same_samples(theirs: Mapping[str, Any] | None, ours: Mapping[str, Any] | None, mid_epoch: bool) -> None:
    """Refuse to go on in mid-epoch with other images or crops; between epochs warn.

    Args:
        theirs: Identity of the samples that a checkpoint was written with; None if they could not say.
        ours: Identity of the samples now, likewise.
        mid_epoch: Whether the checkpoint was written in mid-epoch.

    Raises:
        ValueError: Naming each difference and the configuration key behind it.
    """
    if theirs is None or ours is None or theirs == ours:
        return
    before, now = dict(_flat(theirs)), dict(_flat(ours))
    lines = [
        f"  {name}{_key(name)}: checkpoint {_short(before.get(name))}, now {_short(now.get(name))}"
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]
    different = (
        "Training images or their crops are others than those of the checkpoint:\n" + "\n".join(lines) + "\nOf a token "
        "cache (data.path) the keys are those of its `hieramp tokenize`, data.images.…, and its tokens do not change."
    )
    if mid_epoch:
        raise ValueError(
            f"{different} The checkpoint was written in mid-epoch, and its place in the epoch means other images here. "
            "Resume with the same data, or start from its weights with `model.checkpoint`."
        )
    rank_zero_warn(f"{different} The fit goes on with them from the next epoch.")


def _flat(value: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        if isinstance(item, Mapping):
            yield from _flat(item, f"{within}{name}.")
        else:
            yield f"{within}{name}", item


def _key(name: str) -> str:
    parts = name.split(".")
    fitting = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((f" ({KEYS[prefix]})" for prefix in fitting if prefix in KEYS), "")


def _short(value: object, most: int = 20) -> str:
    text = json.dumps(value)
    return text if len(text) <= most else f"{text[:most]}…"
