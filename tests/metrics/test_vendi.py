import math

import numpy as np
import pytest
import torch

from hieramp_lit.metrics.vendi import VendiScore, vendi_score
from tests.metrics.feature_sets import normal

ORDERS = [0, 0.1, 0.5, 1.0, 1.5, 2, 10, 400, math.inf]


def oracle(features, q):
    """Eigenvalues of the whole kernel over N, in float64, and the definition of the Rényi entropy."""
    features = features.double().numpy()
    cosines = np.array([[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a in features] for b in features])
    values = np.linalg.eigvalsh(cosines / len(features))
    values = values[values > 1e-12]
    if q == 1:
        return math.exp(-sum(value * math.log(value) for value in values))
    return 1 / max(values) if q == math.inf else sum(value**q for value in values) ** (1 / (1 - q))


@pytest.mark.parametrize("q", ORDERS)
def test_equal_images_count_once_and_orthogonal_ones_each(q):
    assert vendi_score(normal("one", 1, 7).repeat(5, 1), q) == pytest.approx(1)
    assert vendi_score(torch.eye(6)[:4] * torch.tensor([[1.0], [20.0], [3.0], [0.1]]), q) == pytest.approx(4)


@pytest.mark.parametrize("q", ORDERS)
@pytest.mark.parametrize("d", [5, 3000])  # by the product of features, and by the kernel
def test_groups_have_the_entropy_of_their_shares(q, d):
    group = torch.eye(d)[torch.tensor([0] * 5 + [1] * 3 + [2] * 2)]
    p = np.array([0.5, 0.3, 0.2])
    if q == 1:
        expected = math.exp(-(p * np.log(p)).sum())
    elif q == math.inf:
        expected = 2
    else:
        expected = (p**q).sum() ** (1 / (1 - q))
    assert vendi_score(group, q) == pytest.approx(expected)


@pytest.mark.parametrize("q", [0, 0.1, 1, 2, math.inf])
@pytest.mark.parametrize(("n", "d"), [(9, 4), (4, 9), (6, 6)])
def test_agrees_with_the_kernels_eigenvalues(n, d, q):
    features = normal("vendi", n, d)
    assert vendi_score(features, q) == pytest.approx(oracle(features, q), rel=1e-6)


def test_two_images_have_the_closed_form_of_their_angle():
    cosine = 0.6
    values = (1 + cosine) / 2, (1 - cosine) / 2
    found = vendi_score(torch.tensor([[1.0, 0.0], [0.6, 0.8]]))
    assert found == pytest.approx(math.exp(-sum(value * math.log(value) for value in values)))


def test_order_one_is_the_limit_and_scores_fall_with_the_order():
    features = normal("orders", 30, 8)
    assert vendi_score(features, 1 + 1e-6) == pytest.approx(vendi_score(features), rel=1e-5)
    scores = [vendi_score(features, q) for q in ORDERS]
    assert scores == sorted(scores, reverse=True)


def test_many_images_are_summed_in_chunks(monkeypatch):
    features = normal("chunks", 30, 8)
    whole = vendi_score(features)
    monkeypatch.setattr("hieramp_lit.metrics.vendi.CHUNK", 7)
    assert vendi_score(features) == pytest.approx(whole)


def test_copies_change_nothing():
    features = normal("copies", 6, 9)
    for q in (0, 0.1, 1, 2):
        assert vendi_score(features.repeat(3, 1), q) == pytest.approx(vendi_score(features, q))


def test_each_class_and_all():
    features = torch.cat([torch.eye(8)[:3], torch.eye(8)[3:4].repeat(2, 1)])
    label = torch.tensor([2, 2, 2, 0, 0])
    metric, order = VendiScore(8, 4), torch.tensor([3, 0, 4, 2, 1])
    for part in order.split(2):
        metric.update(features[part], label[part])
    found = metric.compute()
    assert found.per_class == pytest.approx((1.0, None, 3.0, None))
    assert found.class_mean == pytest.approx(2)
    assert found.overall == pytest.approx(vendi_score(features))
    assert found.n == 5


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="q=-1"):
        VendiScore(4, 2, q=-1)
    with pytest.raises(ValueError, match="q=nan"):
        VendiScore(4, 2, q=math.nan)
    with pytest.raises(ValueError, match="num_classes=0"):
        VendiScore(4, 0)
    metric = VendiScore(4, 2)
    with pytest.raises(ValueError, match="no images"):
        metric.compute()
    with pytest.raises(ValueError, match="All features of 1 of 2 images of a batch are 0, the first at place 1"):
        metric.update(torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 0]]), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="Labels from 0 to 2 received, there are 2 classes"):
        metric.update(torch.ones(2, 4), torch.tensor([0, 2]))
    with pytest.raises(ValueError, match=r"shape \(2,\) and type torch.int32 received"):
        metric.update(torch.ones(2, 4), torch.tensor([0, 1], dtype=torch.int32))
    with pytest.raises(ValueError, match=r"\(images, 4\) expected"):
        metric.update(torch.ones(2, 3), torch.tensor([0, 1]))
