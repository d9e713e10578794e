import logging

import pytest

from hieramp_lit.data import DigitsDataModule
from hieramp_lit.metrics.accuracy import Accuracies
from hieramp_lit.tasks.student_checks import asked_of_data, refuse_rows, warn_near_chance


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
