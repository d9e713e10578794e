"""The published protocols, and what a training changed of them.

``configs/protocols/NAME.yaml`` states the same constants, to be given after a student's configuration.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from hieramp_lit.students.network_input import IMAGENET_MEAN, IMAGENET_STD
from hieramp_lit.students.protocols.protocol import Protocol
from hieramp_lit.students.protocols.setting import Setting
from hieramp_lit.students.views.augment import Augmentation

PUBLISHED: Mapping[str, Protocol] = {
    "rded": Protocol(),
    # As RDED where its own description is silent.
    "d3hr": Protocol(
        name="d3hr",
        epochs=None,
        epochs_rule="d3hr",
        batch_size_rule="d3hr",
        evaluate_every=1,
        evaluate_early=False,
        best_rule="d3hr",
    ),
    # Its students have instance norm, which is theirs, not the training's: model.norm. What its code has beside is in
    # the head of its file.
    "minimax_hard": Protocol(
        name="minimax_hard",
        labels="hard",
        augmentation=Augmentation(min_scale=0.5),
        optimizer="sgd",
        lr=0.01,
        weight_decay=5e-4,
        decayed="all",
        schedule="step",
        epochs=None,
        epochs_rule="minimax",
        batch_size_rule="minimax",
        update_batch_norm_twice=False,
        evaluate_every=None,
        best_from=0.0,
    ),
    "clean": Protocol(
        name="clean",
        loss="kl_t2",
        schedule="cosine",
        update_batch_norm_twice=False,
        best_from=1.0,
    ),
}
"""By name."""

_RULES = {"name", "version", "epochs_rule", "batch_size_rule"}
_FOLLOWS = "first_best_epoch"
"""From the epochs and from when on an evaluation may be the best; these are compared."""


def resolved(protocol: Protocol, setting: Setting) -> dict[str, Any]:
    """Every constant as a plain value, with what rules decide for a student and its set in their place.

    Args:
        protocol: Whose.
        setting: Student and set.

    Returns:
        The protocol's constants without name, version and rules, and ``mean``, ``std``, ``batch_size`` (null where the
        images are not counted), ``first_best_epoch`` and ``started_from_checkpoint``. What is not read is null:
        temperature and loss with hard labels, ``mix_alpha`` without mixing, ``betas`` with SGD, ``momentum`` with
        AdamW, ``milestones`` and ``gamma`` but with ``step``, ``best_from`` but with ``share``.
    """
    constants = {field.name: getattr(protocol, field.name) for field in fields(protocol) if field.name not in _RULES}
    counted = setting.images is not None
    epochs = protocol.epochs_for(setting) if counted or protocol.epochs is not None else None
    constants |= {
        "augmentation": asdict(protocol.augmentation),
        "lr": protocol.learning_rate(setting),
        "betas": list(protocol.betas),
        "milestones": list(protocol.milestones),
        "epochs": epochs,
        "evaluate_every": protocol.evaluate_every if epochs is None else protocol.evaluation_interval(epochs),
        "mean": list(IMAGENET_MEAN),
        "std": list(IMAGENET_STD),
        "batch_size": protocol.batch_size(setting) if counted else None,
        "first_best_epoch": None if epochs is None else protocol.first_best_epoch(epochs, setting),
        "started_from_checkpoint": False,
    }
    return constants | dict.fromkeys(_unread(protocol))


def changes(protocol: Protocol, constants: Mapping[str, Any], setting: Setting) -> dict[str, Any] | None:
    """Which constants of a training are not those of the published protocol of its name.

    Args:
        protocol: The training's.
        constants: What was used, as ``result.json`` lists it.
        setting: Student and set.

    Returns:
        For each that differs, ``{"protocol": …, "used": …}``; None if no published protocol has the name.
    """
    published = PUBLISHED.get(protocol.name)
    if published is None:
        return None
    theirs = resolved(published, setting) | {"version": published.version}
    ours = {**constants, "version": protocol.version}
    if ours["epochs"] is not None:  # a share of other epochs is no other share
        theirs["evaluate_every"] = published.evaluation_interval(ours["epochs"])
    different = [name for name, value in theirs.items() if name != _FOLLOWS and ours.get(name) != value]
    return {name: {"protocol": theirs[name], "used": ours.get(name)} for name in different}


def _unread(protocol: Protocol) -> set[str]:
    """Constants that this protocol's choices leave without effect."""
    without_effect = {
        "temperature": protocol.labels == "hard",
        "loss": protocol.labels == "hard",
        "mix_alpha": protocol.mix == "none",
        "betas": protocol.optimizer != "adamw",
        "momentum": protocol.optimizer != "sgd",
        "milestones": protocol.schedule != "step",
        "gamma": protocol.schedule != "step",
        "best_from": protocol.best_rule != "share",
    }
    return {name for name, idle in without_effect.items() if idle}
