import pytest

from hieramp_lit.students.protocols import PUBLISHED, Protocol, Setting

IMAGENET = Setting(10_000, 1000, 224, "resnet18")
IMAGEWOOF = Setting(100, 10, 224, "resnet18", is_imagewoof=True)
CIFAR = Setting(500, 10, 32, "resnet18_modified")


@pytest.mark.parametrize(
    "constants",
    [
        {"name": ""},
        {"version": 0},
        {"temperature": 0.0},
        {"temperature": float("inf")},
        {"mix_alpha": -1.0},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"weight_decay": -0.1},
        {"betas": (1.5, 2.0)},
        {"momentum": 1.0},
        {"milestones": (0.5, 1.5)},
        {"gamma": 0.0},
        {"epochs": 0},
        {"evaluate_every": 0},
        {"best_from": 2.0},
    ],
)
def test_impossible_constants_name_their_key(constants):
    with pytest.raises(ValueError, match=rf"model\.protocol\.{next(iter(constants))}="):
        Protocol(**constants)


@pytest.mark.parametrize(
    ("name", "setting", "evaluated", "may_be_best"),
    [
        ("rded", IMAGENET, range(10, 301, 10), range(250, 301, 10)),
        ("d3hr", IMAGENET, range(292, 301), range(292, 301)),
        ("d3hr", CIFAR, range(392, 401), range(392, 401)),
        ("d3hr", IMAGEWOOF, range(392, 2001), range(392, 2001)),
        ("minimax_hard", IMAGEWOOF, range(20, 2001, 20), range(20, 2001, 20)),
        ("clean", IMAGENET, range(10, 301, 10), []),  # `best` is then the last
    ],
)
def test_when_the_published_protocols_evaluate_and_what_may_be_the_best(name, setting, evaluated, may_be_best):
    protocol = PUBLISHED[name]
    epochs = protocol.epochs_for(setting)
    due = [epoch for epoch in range(1, epochs + 1) if protocol.evaluates(epoch, epochs, setting)]
    assert due == list(evaluated)
    first = protocol.first_best_epoch(epochs, setting)
    assert [epoch for epoch in due if epoch >= first] == list(may_be_best)


def test_the_last_epoch_is_always_evaluated():
    assert [epoch for epoch in range(1, 26) if PUBLISHED["rded"].evaluates(epoch, 25, CIFAR)] == [10, 20, 25]
    assert [epoch for epoch in range(1, 26) if PUBLISHED["d3hr"].evaluates(epoch, 25, CIFAR)] == [25]


def test_numbers_win_over_rules():
    given = Protocol(lr=0.5, epochs=7, epochs_rule="d3hr")
    assert (given.learning_rate(CIFAR), given.epochs_for(CIFAR)) == (0.5, 7)
    ruled = Protocol(epochs=None, epochs_rule="d3hr", batch_size_rule="d3hr")
    assert (ruled.learning_rate(CIFAR), ruled.epochs_for(CIFAR), ruled.batch_size(IMAGENET)) == (0.001, 400, 50)
