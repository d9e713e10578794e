"""What a set does to the tokens of each class, beside another set of the same classes (HIERAMP, Fig. 3, 8 and 9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple, Protocol

import numpy as np

from hieramp_lit.analysis.token_maps import TokenMaps
from hieramp_lit.analysis.tokens import Floats, TokenAnalysis
from hieramp_lit.classes import ClassList
from hieramp_lit.classes.agreement import same_class
from hieramp_lit.var.scales import Stage

LEAST = 1e-9
"""A class rises or falls if its value differs by more: rounding alone makes no change."""
MEASURES = ("entropy", "coverage")
SHARED = ("weights", "sampling", "saliency_blocks")
"""Of a configuration: what should be equal for the schedule alone to tell two sets apart."""


class Comparable(Protocol):
    """What decides whether sets can be compared: of a `TokenAnalysis`, or known before one is made."""

    @property
    def about(self) -> Mapping[str, Any]:
        """See `describe`."""

    @property
    def classes(self) -> ClassList:
        """Of the set."""

    @property
    def maps(self) -> TokenMaps:
        """Of its tokens."""


class Change(NamedTuple):
    """How many classes a value rises, falls and stays in, and by how much it changes.

    Attributes:
        rise: Classes.
        fall: Classes.
        stay: Classes.
        mean: Mean over the classes of new minus old: nats of an entropy, a share of a coverage.
    """

    rise: int
    fall: int
    stay: int
    mean: float

    @property
    def classes(self) -> int:
        """All of them."""
        return self.rise + self.fall + self.stay

    def as_json(self) -> dict[str, Any]:
        """Counts, shares in [0, 1] and the mean."""
        shares = {f"share_{name}": getattr(self, name) / self.classes for name in ("rise", "fall", "stay")}
        return self._asdict() | shares


@dataclass(frozen=True)
class Changes:
    """A set beside another.

    Attributes:
        scales: By measure, ``entropy`` or ``coverage``: a change a scale.
        stages: By measure and stage; of each class the mean over the stage's scales.
        notes: What else tells the sets apart, in words.
    """

    scales: Mapping[str, tuple[Change, ...]]
    stages: Mapping[str, Mapping[Stage, Change]]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Every number, as plain values."""
        return {
            "scales": {name: [change.as_json() for change in each] for name, each in self.scales.items()},
            "stages": {
                name: {stage: change.as_json() for stage, change in each.items()} for name, each in self.stages.items()
            },
            "notes": list(self.notes),
        }


def changes(ours: TokenAnalysis, other: TokenAnalysis, *, any_seed: bool = False, seed_hint: str = "") -> Changes:
    """Count the classes whose entropy and coverage rise, fall and stay from the other set to ours.

    Args:
        ours: E.g. of the amplified set.
        other: E.g. of the plain one, of equal seed.
        any_seed: Let seeds differ: two plain sets of two seeds show what chance alone does.
        seed_hint: What lets seeds differ, e.g. a flag; for the message.

    Raises:
        ValueError: If classes, images per class, token maps, codebook, tokenizer or seeds differ; the message names
            what does.
    """
    check_comparable(ours, other, any_seed=any_seed, seed_hint=seed_hint)
    pairs = {"entropy": (ours.entropy_CK, other.entropy_CK), "coverage": (ours.coverage_CK, other.coverage_CK)}
    return Changes(
        scales={
            name: tuple(_change(new[:, scale], old[:, scale]) for scale in range(len(ours.maps.scales)))
            for name, (new, old) in pairs.items()
        },
        stages={
            name: {stage: _change(values, other.stages(old)[stage]) for stage, values in ours.stages(new).items()}
            for name, (new, old) in pairs.items()
        },
        notes=tuple(_notes(ours.about, other.about)),
    )


def check_comparable(ours: Comparable, other: Comparable, *, any_seed: bool = False, seed_hint: str = "") -> None:
    """Refuse sets that cannot be compared class by class; arguments and errors as for `changes`."""
    faults = []
    for one, its in zip_longest(ours.classes.entries, other.classes.entries):
        if one is None or its is None or not same_class(one, its):
            here, there = ("nothing" if entry is None else repr(entry.name) for entry in (one, its))
            place = (one or its).cls
            faults.append(f"classes: {len(ours.classes)} and {len(other.classes)}; cls {place} is {here} and {there}")
            break
    differ = {
        "images per class": (ours.about["images_per_class"], other.about["images_per_class"]),
        "token maps": (list(ours.maps.scales.patch_nums), list(other.maps.scales.patch_nums)),
        "codes": (ours.maps.vocab_size, other.maps.vocab_size),
    }
    tokenizers = (ours.about["tokenizer_sha256"], other.about["tokenizer_sha256"])
    if None not in tokenizers:
        differ["SHA-256 of the tokenizer"] = tokenizers
    if not any_seed:
        differ["seed" + (f" ({seed_hint})" if seed_hint else "")] = (
            ours.about["generate_seed"],
            other.about["generate_seed"],
        )
    faults += [f"{name}: {here} and {there}" for name, (here, there) in differ.items() if here != there]
    if faults:
        raise ValueError(
            f"The sets {ours.about['name']} and {other.about['name']} cannot be compared class by class. "
            f"{'; '.join(faults)}. Give sets of the same classes, images per class, tokenizer and seed."
        )


def _change(new_C: Floats, old_C: Floats) -> Change:
    difference_C = new_C - old_C
    rise, fall = int((difference_C > LEAST).sum()), int((difference_C < -LEAST).sum())
    return Change(rise, fall, len(difference_C) - rise - fall, float(np.mean(difference_C)))


def _notes(ours: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What is not as in the comparison of a set with itself less amplification."""
    notes = []
    if ours["tokens"] != other["tokens"]:
        notes.append(
            "One set's tokens are stored, the other's encoded from its images: a tokenizer makes other tokens of a "
            "decoded, 8-bit, perhaps resized image than those that it was decoded from, so that part of each change is "
            "the encoding's. Encode both (--encode-all)."
        )
    if None in (ours["tokenizer_sha256"], other["tokenizer_sha256"]):
        notes.append("A set does not say which tokenizer its tokens are of, so that they may mean different things.")
    if ours["generate_seed"] != other["generate_seed"]:
        notes.append(f"The seeds are {ours['generate_seed']} and {other['generate_seed']}: chance is part of changes.")
    here, there = ours["configuration"], other["configuration"]
    unlike = [key for key in SHARED if here.get(key) != there.get(key)]
    unlike += [key for key in ("precision", "save_size") if ours[key] != other[key]]
    if ours["generator"] in _OF_VAR and other["generator"] in _OF_VAR and unlike:
        notes.append(f"Beside the schedule the sets differ in {', '.join(unlike)}.")
    return notes


_OF_VAR = ("var", "hieramp")
"""Names of the generator, without and with amplification."""
