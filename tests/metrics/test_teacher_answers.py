import math

import pytest
import torch

from hieramp_lit.metrics.teacher_answers import TeacherConfidence


def measure(logits, label):
    metric = TeacherConfidence(logits.shape[1])
    metric.update(logits, label)
    return metric.compute()


def test_uniform_answers():
    found = measure(torch.zeros(6, 5), torch.arange(6) % 5)
    assert found.confidence == pytest.approx(1 / 5)
    assert found.entropy == pytest.approx(math.log(5))


def test_sure_answers_also_with_minus_infinity():
    logits = torch.full((3, 3), -torch.inf).fill_diagonal_(0.0)
    found = measure(logits, torch.tensor([0, 1, 0]))
    assert found.top1 == found.confidence == pytest.approx(2 / 3)
    assert found.entropy == 0
    assert found.per_class_top1 == (0.5, 1.0, None)


def test_probabilities_by_hand_per_class_and_over_batches():
    p = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.25, 0.25, 0.5], [0.1, 0.1, 0.8]], dtype=torch.float64)
    label = torch.tensor([0, 0, 2, 2])
    metric = TeacherConfidence(3)
    metric.update(p[:3].log() + 5, label[:3])
    metric.update(p[3:].log() - 2, label[3:])
    found = metric.compute()
    entropy = [-sum(value * math.log(value) for value in row) for row in p.tolist()]
    assert (found.top1, found.n) == (0.75, 4)
    assert found.confidence == pytest.approx((0.7 + 0.3 + 0.5 + 0.8) / 4)
    assert found.entropy == pytest.approx(sum(entropy) / 4)
    assert found.per_class_top1 == (0.5, None, 1.0)
    assert found.per_class_confidence == pytest.approx((0.5, None, 0.65))
    assert found.per_class_entropy == pytest.approx(
        ((entropy[0] + entropy[1]) / 2, None, (entropy[2] + entropy[3]) / 2)
    )


def test_half_precision_answers_are_reduced_in_float64():
    found = measure(torch.zeros(4000, 10, dtype=torch.float16), torch.zeros(4000, dtype=torch.int64))
    assert found.confidence == pytest.approx(0.1, rel=1e-12)


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="no images"):
        TeacherConfidence(3).compute()
    with pytest.raises(ValueError, match="num_classes=0"):
        TeacherConfidence(0)
    metric = TeacherConfidence(3)
    with pytest.raises(ValueError, match=r"teacher\.rows"):
        metric.update(torch.zeros(2, 1000), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="there are 3 classes"):
        metric.update(torch.zeros(2, 3), torch.tensor([0, 3]))
    with pytest.raises(ValueError, match="1 of 2 images of a batch are NaN or infinite, the first at place 1"):
        metric.update(torch.tensor([[0.0, 0, 0], [0, torch.inf, 0]]), torch.tensor([0, 1]))
