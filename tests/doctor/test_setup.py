import pytest

from hieramp_lit.doctor.setup import Setup, arguments_of

SHARED = {"class_path": "hieramp_lit.trainer.ShardedStrategy", "init_args": {}}


@pytest.mark.parametrize(
    ("trainer", "devices"),
    [
        ({"strategy": "auto", "devices": 8}, 1),
        ({"strategy": "ddp", "devices": "auto"}, 1),
        ({"strategy": SHARED, "devices": 8, "num_nodes": 2}, 16),
        ({"strategy": SHARED, "devices": "auto", "num_nodes": 1}, 4),
        ({"strategy": "fsdp", "devices": -1}, 4),
        ({"strategy": "fsdp", "devices": "2"}, 2),
    ],
)
def test_devices_share_weights_where_the_strategy_says_so(trainer: dict, devices: int):
    assert Setup("ClassTokenTuning", {}, "ImageFolderDataModule", {}, trainer).sharded(gpus=4) == devices


def test_precision_tells_half_from_whole():
    halves = {
        precision: Setup("Generation", {}, "GenerationPlan", {}, {"precision": precision}).half
        for precision in (None, "32-true", "16-mixed", "bf16-mixed")
    }
    assert halves == {None: False, "32-true": False, "16-mixed": True, "bf16-mixed": True}


def test_arguments_are_those_of_classes_alone():
    assert arguments_of({"class_path": "A", "init_args": {"b": 1}}) == {"b": 1}
    assert arguments_of({"class_path": "A"}) == arguments_of("test") == arguments_of(None) == {}
