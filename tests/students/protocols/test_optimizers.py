import pytest
import torch
from torch import nn

from hieramp_lit.students import create_student
from hieramp_lit.students.protocols import PUBLISHED
from hieramp_lit.students.protocols.optimizers import make_optimizer, parameter_groups


@pytest.mark.parametrize("student", ["resnet18_modified", "convnet3", "vit_b_16"])
def test_only_matrices_named_weight_are_decayed(student):
    network = create_student(student, 10, 32)
    decayed, plain = parameter_groups(network, 0.01)
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
    decayed, plain = parameter_groups(module, 0.1)
    assert decayed["params"] == []
    assert plain["params"] == [module.table]


def test_all_means_all():
    network = create_student("convnet2_w4", 10, 32)
    (group,) = parameter_groups(network, 0.1, "all")
    assert group["weight_decay"] == 0.1
    assert group["params"] == list(network.parameters())


ADAMW = {"kind": torch.optim.AdamW, "decays": [0.01, 0.0], "betas": (0.9, 0.999)}
EXPECTED = {
    "rded": ADAMW,
    "d3hr": ADAMW,
    "clean": ADAMW,
    "minimax_hard": {"kind": torch.optim.SGD, "decays": [0.0005], "momentum": 0.9, "nesterov": False, "dampening": 0},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_published_protocols_optimizers(name):
    network, expected = create_student("convnet2_w4", 10, 32), dict(EXPECTED[name])
    optimizer = PUBLISHED[name].make_optimizer(network, lr=0.25)
    assert type(optimizer) is expected.pop("kind")
    assert [group["weight_decay"] for group in optimizer.param_groups] == expected.pop("decays")
    for group in optimizer.param_groups:
        assert {key: group[key] for key in ("lr", *expected)} == {"lr": 0.25, **expected}


def test_momentum_is_sgds_alone_and_steps_are_by_hand():
    weight = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    optimizer = make_optimizer(
        "sgd", [{"params": [weight], "weight_decay": 0.5}], 0.1, betas=(0.9, 0.999), momentum=0.9, fused=False
    )
    value, velocity = 2.0, 0.0
    for gradient in (1.0, -3.0, 0.5):
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        velocity = 0.9 * velocity + gradient + 0.5 * value
        value -= 0.1 * velocity
        assert weight.item() == pytest.approx(value)
