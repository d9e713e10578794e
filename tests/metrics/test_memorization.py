import numpy as np
import pytest
import torch

from hieramp_lit.metrics.memorization import NearestRealDistance
from tests.metrics.feature_sets import normal, pairwise


def measure(real, distilled, **options):
    metric = NearestRealDistance(real.shape[1], **options)
    metric.update(real, torch.arange(len(real)), real=True)
    metric.update(distilled, torch.arange(len(distilled)), real=False)
    return metric.compute()


@pytest.mark.parametrize("block_size", [1, 6, 2048])
def test_agrees_with_all_pairs(block_size):
    real, distilled = normal("train", 25, 5), 0.8 * normal("made", 14, 5)
    quantiles = (0.0, 0.1, 0.5, 1.0)
    found = measure(real, distilled, quantiles=quantiles, block_size=block_size)
    expected = pairwise(distilled, real).min(dim=1)
    among = pairwise(real, real).fill_diagonal_(torch.inf).min(dim=1).values.numpy()
    assert found.number == tuple(range(14))
    assert found.nearest == tuple(expected.indices.tolist())
    assert found.distance == pytest.approx(expected.values.tolist(), rel=1e-5)
    limits = np.quantile(among, quantiles)
    assert found.real_distances == pytest.approx(limits, rel=1e-5)
    assert found.shares == pytest.approx([(expected.values.numpy() <= limit).mean() for limit in limits])


def test_copies_are_found_and_named():
    real = normal("train", 25, 5) + 1000  # far from the origin, where a matrix product would round them apart
    found = measure(real, torch.cat([real[[7, 3]], real[:1] + 0.5]))
    assert found.nearest[:2] == (7, 3)
    assert found.distance[:2] == (0, 0)
    assert found.distance[2] > 0
    assert found.shares[0] >= 2 / 3


def test_by_hand_and_the_limit_itself_is_close():
    # neighbours of the real ones at 1, 1, 2, 2; so is the first of the distilled ones
    real, distilled = torch.tensor([[0.0], [1.0], [3.0], [5.0]]), torch.tensor([[7.0], [3.5], [20.0]])
    found = measure(real, distilled, quantiles=(0.0, 1.0))
    assert found.real_distances == (1.0, 2.0)
    assert found.shares == pytest.approx((1 / 3, 2 / 3))


def test_new_images_of_one_distribution_are_as_close_as_the_real_ones():
    shares = np.array([measure(normal(f"t{i}", 100, 3), normal(f"m{i}", 100, 3)).shares for i in range(20)])
    assert shares.mean(axis=0) == pytest.approx([0.05, 0.5], abs=0.03)


def test_duplicates_among_the_real_ones_are_at_0():
    real = normal("train", 10, 5).repeat(2, 1)
    found = measure(real, real[[13]])
    assert found.real_distances == (0, 0)
    assert found.shares == (1, 1)
    assert found.nearest == (3,)  # the lower number of the two equal ones


def test_images_are_named_by_their_numbers():
    metric = NearestRealDistance(1)
    metric.update(torch.tensor([[0.0], [5.0], [9.0]]), torch.tensor([70, 1000, 8]), real=True)
    metric.update(torch.tensor([[8.0], [1.0]]), torch.tensor([31, 12]), real=False)
    found = metric.compute()
    assert found.number == (12, 31)
    assert found.nearest == (70, 8)
    assert found.distance == (1, 1)


def test_does_not_depend_on_batches_or_their_order():
    real, distilled = normal("train", 25, 5), normal("made", 14, 5)
    metric = NearestRealDistance(5, real_queries=10)
    for name, features in (("real", real), ("distilled", distilled)):
        for part in torch.arange(len(features)).flip(0).split(4):
            metric.update(features[part], part, real=name == "real")
    assert metric.compute() == measure(real, distilled, real_queries=10)


def test_a_part_of_the_real_ones_looks_among_all():
    real = torch.arange(100.0)[:, None].square()
    found = measure(real, real[:1], quantiles=(0.0, 1.0), real_queries=4)
    # numbers 0, 25, 50 and 75; the distance from n² to its neighbour below is 2n − 1
    assert found.real_distances == (1.0, 149.0)


def test_what_cannot_be_measured_is_refused():
    metric = NearestRealDistance(3)
    with pytest.raises(ValueError, match="0 distilled and 0 real images were given"):
        metric.compute()
    with pytest.raises(ValueError, match=r"Numbers of shape \(3,\)"):
        metric.update(torch.zeros(2, 3), torch.arange(3), real=True)
    with pytest.raises(ValueError, match=r"\(images, 3\) expected"):
        metric.update(torch.zeros(2, 4), torch.arange(2), real=True)
    with pytest.raises(ValueError, match="quantiles="):
        NearestRealDistance(3, quantiles=(0.5, 1.2))
    with pytest.raises(ValueError, match="quantiles="):
        NearestRealDistance(3, quantiles=())
    with pytest.raises(ValueError, match="real_queries=0"):
        NearestRealDistance(3, real_queries=0)
    metric.update(torch.zeros(3, 3), torch.tensor([4, 5, 4]), real=True)
    metric.update(torch.zeros(1, 3), torch.tensor([4]), real=False)
    with pytest.raises(ValueError, match="1 real images came more than once, the first is number 4"):
        metric.compute()
