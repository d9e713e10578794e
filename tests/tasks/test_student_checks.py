import logging

import pytest
import torch

from hieramp_lit.data import DigitsDataModule
from hieramp_lit.metrics.accuracy import Accuracies
from hieramp_lit.students import create_student
from hieramp_lit.tasks.student_checks import (
    asked_of_data,
    has_batch_norm,
    refuse_rows,
    refuse_single_image,
    warn_near_chance,
    warn_of_devices,
)


@pytest.mark.parametrize(
    ("top1", "classes", "warned"),
    [(0.12, 10, True), (0.5, 2, True), (0.56, 2, False), (0.3, 10, False), (0.05, 1000, True), (0.4, 1000, False)],
)
def test_near_chance_depends_on_the_number_of_classes(top1, classes, warned, caplog):
    with caplog.at_level(logging.WARNING, "hieramp_lit"):
        warn_near_chance(Accuracies(top1, 1.0, (None,) * classes, 100))
    assert bool(caplog.records) is warned


def test_the_number_of_classes_is_that_of_the_class_list():
    assert asked_of_data(DigitsDataModule(), "num_classes") == 10


def test_what_the_data_does_not_know_must_be_given():
    data = DigitsDataModule()
    data.image_size = None
    with pytest.raises(ValueError, match=r"give model\.image_size"):
        asked_of_data(data, "image_size")


def test_data_that_labels_for_generators_is_refused():
    data = DigitsDataModule()
    refuse_rows(data)
    data.label = "row"
    with pytest.raises(ValueError, match=r"data\.label: cls"):
        refuse_rows(data)


@pytest.mark.parametrize(
    ("name", "norm", "expected"),
    [("convnet2", None, True), ("convnet2", "instance", False), ("resnet_ap10", None, False), ("resnet18", None, True),
     ("timm/mobilenetv3_small_050", None, True), ("alexnet", None, False)],
)  # fmt: skip
def test_networks_with_batch_norm_are_known(name, norm, expected):
    assert has_batch_norm(create_student(name, 10, 32, norm)) is expected


def test_one_image_is_refused_with_the_ways_out():
    refuse_single_image(torch.rand(2, 3, 4, 4), "convnet3")
    with pytest.raises(ValueError, match=r"model\.student='convnet3'.*data\.batch_size.*model\.norm: instance"):
        refuse_single_image(torch.rand(1, 3, 4, 4), "convnet3")


@pytest.mark.parametrize("devices", [1, 2])
def test_more_than_one_device_is_warned_of(devices, caplog):
    with caplog.at_level(logging.WARNING, "hieramp_lit"):
        warn_of_devices(devices)
    assert bool(caplog.records) is (devices > 1)
