import numpy as np
import pytest
import torch

from hieramp_lit.metrics.diversity import IntraClassDiversity
from tests.metrics.feature_sets import normal


def measure(features, label, classes):
    metric = IntraClassDiversity(features.shape[1], classes)
    metric.update(features, label)
    return metric.compute()


def oracle(features):
    features = features.double().numpy()
    pairs = [(a, b) for i, a in enumerate(features) for b in features[:i]]
    return np.mean([1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs])


def test_agrees_with_all_pairs_over_batches():
    features, label = normal("pairs", 20, 6), torch.tensor([0, 0, 2, 1, 2] * 4)
    metric = IntraClassDiversity(6, 3)
    for part in torch.arange(20).split(7):
        metric.update(features[part], label[part])
    found = metric.compute()
    expected = [oracle(features[label == cls]) for cls in range(3)]
    assert found.per_class == pytest.approx(expected)
    assert found.mean == pytest.approx(np.mean(expected))


def test_closed_forms():
    direction = normal("direction", 1, 5)
    scales = torch.tensor([[1.0], [2.0], [0.3]])
    features = torch.cat([direction * scales, torch.eye(5)[:4], direction, -direction])
    found = measure(features, torch.tensor([0] * 3 + [1] * 4 + [2] * 2), 3)
    assert found.per_class == pytest.approx((0, 1, 2), abs=1e-7)
    assert min(found.per_class) >= 0


def test_rounding_leaves_no_equal_images_below_0():
    features = normal("equal", 50, 7).repeat_interleave(3, dim=0)
    per_class = measure(features, torch.arange(50).repeat_interleave(3), 50).per_class
    assert per_class == pytest.approx([0] * 50, abs=1e-12)
    assert min(per_class) == 0


def test_a_class_of_one_image_has_no_pairs():
    assert measure(torch.eye(3), torch.tensor([0, 0, 1]), 3) == (1.0, (1.0, None, None))
    assert measure(torch.eye(3), torch.tensor([0, 1, 2]), 3) == (None, (None, None, None))


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="no images"):
        IntraClassDiversity(3, 2).compute()
    with pytest.raises(ValueError, match="num_features=0"):
        IntraClassDiversity(0, 2)
    with pytest.raises(ValueError, match="are 0, the first at place 0"):
        measure(torch.zeros(2, 3), torch.tensor([0, 0]), 1)
    with pytest.raises(ValueError, match="there are 1 classes"):
        measure(torch.ones(2, 3), torch.tensor([0, 1]), 1)
    with pytest.raises(ValueError, match="NaN"):
        measure(torch.full((2, 3), torch.inf), torch.tensor([0, 0]), 1)
