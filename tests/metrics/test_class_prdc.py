import pytest
import torch

from hieramp_lit.metrics.class_prdc import ClassPRDC
from hieramp_lit.metrics.prdc import PRDC
from tests.metrics.feature_sets import normal


def whole(real, distilled):
    metric = PRDC(4)
    metric.update(real, real=True)
    metric.update(distilled, real=False)
    return metric.compute()


def test_each_class_is_measured_against_its_own_real_images_alone():
    real, distilled = normal("real", 60, 4), 0.8 * normal("distilled", 40, 4)
    real_label, label = torch.arange(60) % 3, (torch.arange(40) % 5).clamp(max=2)
    metric = ClassPRDC(4, 3)
    for part in torch.arange(60).flip(0).split(7):
        metric.update(real[part], real_label[part], real=True)
    for part in torch.arange(40).split(9):
        metric.update(distilled[part], label[part], real=False)
    found = metric.compute()
    for cls, values in enumerate(found):
        assert values == pytest.approx(whole(real[real_label == cls], distilled[label == cls]))
    assert len(set(found)) == 3


def test_a_class_with_too_few_images_of_either_kind_has_no_values():
    metric = ClassPRDC(4, 4, precision_recall_k=2, density_coverage_k=3)
    metric.update(normal("real", 15, 4), torch.tensor([0] * 4 + [1] * 3 + [2] * 8), real=True)
    metric.update(normal("made", 11, 4), torch.tensor([0] * 3 + [1] * 3 + [2] * 2 + [3] * 3), real=False)
    found = metric.compute()
    assert found[0].real == 4
    assert found[0].distilled == 3
    assert found[1:] == (None, None, None)


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="num_classes=0"):
        ClassPRDC(4, 0)
    with pytest.raises(ValueError, match="Labels from 0 to 3 received, there are 3 classes"):
        ClassPRDC(4, 3).update(torch.zeros(2, 4), torch.tensor([0, 3]), real=True)
    with pytest.raises(ValueError, match=r"\(images, 4\) expected"):
        ClassPRDC(4, 3).update(torch.zeros(2, 5), torch.tensor([0, 1]), real=True)
