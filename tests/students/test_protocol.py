import math

import pytest
import torch
from torch import nn

from hieramp_lit.students import create_student, protocol


@pytest.mark.parametrize(
    ("student", "rate"),
    [
        ("resnet18", 0.001),
        ("resnet101", 0.001),
        ("resnet18_modified", 0.001),
        ("convnet3", 0.001),
        ("mobilenet_v2", 0.0025),
        ("efficientnet_b0", 0.002),
        ("timm/efficientnet_b0", 0.002),
        ("vgg11", 0.0005),
        ("alexnet", 0.0001),
        ("vit_b_16", 0.0001),
        ("swin_v2_t", 0.0001),
    ],
)
def test_learning_rate_by_student(student, rate):
    assert protocol.learning_rate(student, 10, 224) == rate


def test_convnet3_on_cifar100_is_the_exception():
    assert protocol.learning_rate("convnet3", 100, 32) == 0.002
    assert protocol.batch_size(100 * 10, 100, 32, "convnet3") == 25
    assert protocol.batch_size(100 * 10, 100, 32, "resnet18_modified") == 100


@pytest.mark.parametrize(
    ("ipc", "classes", "image_size", "size"),
    [
        (1, 10, 224, 10),
        (10, 10, 224, 50),
        (50, 10, 224, 100),
        (20, 10, 224, 50),
        (100, 10, 224, 100),
        (5, 10, 224, 10),
        (1, 100, 224, 20),
        (10, 100, 224, 100),
        (50, 1000, 224, 200),
        (1, 200, 64, 100),
        (50, 200, 64, 100),
        (10, 200, 224, 50),
        (1, 4, 224, 4),  # never more than the set
    ],
)
def test_batch_size_table(ipc, classes, image_size, size):
    assert protocol.batch_size(ipc * classes, classes, image_size) == size


def test_half_cosine_starts_at_one_and_ends_at_a_half():
    factors = [protocol.schedule_factor("half_cosine", epoch, 300) for epoch in range(301)]
    assert factors[0] == 1.0
    assert factors[150] == pytest.approx(0.5 * (1 + math.sqrt(0.5)))
    assert factors[300] == pytest.approx(0.5)
    assert factors == sorted(factors, reverse=True)
    assert protocol.schedule_factor("half_cosine", 100, 300) == pytest.approx(0.5 * (1 + math.sqrt(3) / 2))


def test_other_schedules():
    assert protocol.schedule_factor("cosine", 50, 100) == pytest.approx(0.5)
    assert protocol.schedule_factor("cosine", 100, 100) == pytest.approx(0.0)
    assert protocol.schedule_factor("constant", 77, 100) == 1.0
    with pytest.raises(ValueError, match="half_cosine, cosine or constant"):
        protocol.schedule_factor("half", 0, 1)


@pytest.mark.parametrize("student", ["resnet18_modified", "convnet3", "vit_b_16"])
def test_only_matrices_named_weight_are_decayed(student):
    network = create_student(student, 10, 32)
    decayed, plain = protocol.parameter_groups(network, 0.01)
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.01, 0.0)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert len(decayed["params"]) + len(plain["params"]) == len(names)
    for group, expected in ((decayed, True), (plain, False)):
        for parameter in group["params"]:
            assert ("weight" in names[id(parameter)].rsplit(".", 1)[-1] and parameter.ndim > 1) is expected
    if student == "vit_b_16":
        assert {"class_token", "encoder.pos_embedding"} <= {names[id(parameter)] for parameter in plain["params"]}
        assert any(names[id(parameter)].endswith("in_proj_weight") for parameter in decayed["params"])


def test_a_matrix_of_another_name_is_not_decayed():
    module = nn.Module()
    module.table = nn.Parameter(torch.zeros(3, 3))
    decayed, plain = protocol.parameter_groups(module, 0.1)
    assert decayed["params"] == []
    assert plain["params"] == [module.table]


def test_changes_names_what_differs_and_nothing_else():
    used = {
        "labels": "soft", "mix": "cutmix", "temperature": 20.0, "mix_alpha": 1.0,
        "augmentation": {"enabled": True, "min_scale": 0.08, "min_ratio": 0.75, "flip": 0.5, "antialias": True},
        "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "lr": 0.001, "weight_decay": 0.01,
        "betas": [0.9, 0.999], "schedule": "half_cosine", "update_batch_norm_twice": True, "best_from": 0.8,
        "epochs": 300, "started_from_checkpoint": False, "batch_size": 50,
    }  # fmt: skip
    assert protocol.changes(used, 100, 10, 224, "resnet18") == {}
    changed = protocol.changes(used | {"lr": 0.01, "epochs": 400}, 100, 10, 224, "resnet18")
    assert changed == {"lr": {"protocol": 0.001, "used": 0.01}, "epochs": {"protocol": 300, "used": 400}}
