import dataclasses

import pytest

from hieramp_lit.students.protocols import PUBLISHED, Protocol, Setting, changes, resolved
from hieramp_lit.students.views import Augmentation

IMAGENET = Setting(10_000, 1000, 224, "resnet18")

RDED = {
    "labels": "soft", "loss": "kl", "temperature": 20.0, "mix": "cutmix", "mix_alpha": 1.0,
    "augmentation": {
        "min_scale": 0.08, "max_scale": 1.0, "min_ratio": 0.75, "flip": 0.5, "antialias": True, "shuffle_patches": 1,
        "enabled": True,
    },
    "optimizer": "adamw", "lr": 0.001, "weight_decay": 0.01, "decayed": "weights", "betas": [0.9, 0.999],
    "momentum": None, "schedule": "half_cosine", "milestones": None, "gamma": None, "epochs": 300,
    "update_batch_norm_twice": True, "evaluate_every": 10, "evaluate_early": True, "best_rule": "share",
    "best_from": 0.8, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "batch_size": 100,
    "first_best_epoch": 241, "started_from_checkpoint": False,
}  # fmt: skip
EXPECTED = {
    "rded": RDED,
    "d3hr": {
        **RDED, "batch_size": 50, "evaluate_every": 1, "evaluate_early": False, "best_rule": "d3hr", "best_from": None,
        "first_best_epoch": 292,
    },
    "minimax_hard": {
        **RDED, "labels": "hard", "loss": None, "temperature": None, "optimizer": "sgd", "lr": 0.01,
        "weight_decay": 0.0005, "decayed": "all", "betas": None, "momentum": 0.9, "schedule": "step",
        "milestones": [2 / 3, 5 / 6], "gamma": 0.2, "epochs": 2000, "batch_size": 64, "update_batch_norm_twice": False,
        "augmentation": {**RDED["augmentation"], "min_scale": 0.5}, "evaluate_every": 20, "best_from": 0.0,
        "first_best_epoch": 1,
    },
    "clean": {
        **RDED, "loss": "kl_t2", "schedule": "cosine", "update_batch_norm_twice": False, "best_from": 1.0,
        "first_best_epoch": 301,
    },
}  # fmt: skip
"""On ImageNet-1K, ten images per class."""


def test_every_published_protocol_is_expected_under_its_own_name():
    assert set(EXPECTED) == set(PUBLISHED)
    assert all(protocol.name == name and protocol.version == 1 for name, protocol in PUBLISHED.items())


@pytest.mark.parametrize("name", EXPECTED)
def test_the_constants_are_those_of_the_sources(name):
    assert resolved(PUBLISHED[name], IMAGENET) == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_changes_name_what_differs_and_nothing_else(name):
    protocol, used = PUBLISHED[name], EXPECTED[name]
    assert changes(protocol, used, IMAGENET) == {}
    follows = {"evaluate_every": protocol.evaluation_interval(41)}
    changed = changes(protocol, used | {"lr": 0.7, "epochs": 41} | follows, IMAGENET)
    assert changed == {
        "lr": {"protocol": used["lr"], "used": 0.7},
        "epochs": {"protocol": used["epochs"], "used": 41},
    }


ANOTHER = {
    "labels": "hard", "loss": "kl_t2", "temperature": 4.0, "mix": "mixup", "mix_alpha": 0.8,
    "augmentation": Augmentation(shuffle_patches=2), "optimizer": "sgd", "lr": 0.1, "weight_decay": 0.0,
    "decayed": "all", "betas": (0.8, 0.999), "schedule": "cosine", "epochs": 12, "batch_size_rule": "minimax",
    "update_batch_norm_twice": False, "evaluate_every": 3, "evaluate_early": False, "best_rule": "d3hr",
    "best_from": 0.5, "version": 2,
}  # fmt: skip
UNREAD = {"name", "momentum", "milestones", "gamma", "epochs_rule"}
"""By the protocol `rded`, which has AdamW, no steps and a number of epochs; and the name."""


def test_every_constant_is_tried():
    assert set(ANOTHER) | UNREAD == {field.name for field in dataclasses.fields(Protocol)}


@pytest.mark.parametrize("constant", ANOTHER)
def test_any_other_constant_is_a_change(constant):
    other = dataclasses.replace(PUBLISHED["rded"], **{constant: ANOTHER[constant]})
    changed = changes(other, resolved(other, IMAGENET), IMAGENET)
    assert {"batch_size_rule": "batch_size"}.get(constant, constant) in changed


def test_a_hundredth_of_fewer_epochs_is_no_other_interval():
    shorter = dataclasses.replace(PUBLISHED["minimax_hard"], epochs=500)
    used = resolved(shorter, IMAGENET)
    assert used["evaluate_every"] == 5
    assert set(changes(shorter, used, IMAGENET)) == {"epochs"}
    assert changes(shorter, used | {"evaluate_every": 10}, IMAGENET)["evaluate_every"] == {"protocol": 5, "used": 10}


def test_what_is_not_read_is_no_change():
    other = dataclasses.replace(PUBLISHED["rded"], momentum=0.1, milestones=(), gamma=0.5, epochs_rule="minimax")
    assert changes(other, resolved(other, IMAGENET), IMAGENET) == {}


def test_a_protocol_of_ones_own_is_compared_with_none():
    own = Protocol(name="mine")
    assert changes(own, resolved(own, IMAGENET), IMAGENET) is None


def test_uncounted_images_leave_out_what_follows_from_them():
    stream = Setting(None, 1000, 224, "resnet18")
    constants = resolved(PUBLISHED["minimax_hard"], stream)
    assert (constants["epochs"], constants["batch_size"], constants["first_best_epoch"]) == (None, None, None)
    assert constants["evaluate_every"] is None
    assert resolved(PUBLISHED["rded"], stream)["epochs"] == 300
