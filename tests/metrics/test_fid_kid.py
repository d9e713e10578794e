import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn

from hieramp_lit.metrics.feature_network import GivenFeatures
from hieramp_lit.metrics.fid_kid import FID, KID, metric_key
from tests.metrics.feature_sets import normal


def fid(real, distilled):
    metric = FID(GivenFeatures(real.shape[1]), real.shape[1], "given")
    metric.update(real, real=True)
    metric.update(distilled, real=False)
    return metric.compute()


def kid(real, distilled, **options):
    metric = KID(GivenFeatures(real.shape[1]), real.shape[1], "given", **options)
    metric.update(real, real=True)
    metric.update(distilled, real=False)
    return metric.compute()


class TestFID:
    def test_of_one_feature_is_the_distance_of_means_and_deviations(self):
        real, distilled = torch.tensor([[1.0], [2], [6]]), torch.tensor([[10.0], [30], [20], [40]])
        means, deviations = (3, 25), (math.sqrt(7), math.sqrt(500 / 3))
        expected = (means[0] - means[1]) ** 2 + (deviations[0] - deviations[1]) ** 2
        found = fid(real, distilled)
        assert found.dtype == torch.float64
        assert found.item() == pytest.approx(expected)

    def test_agrees_with_scipys_square_root(self):
        real, distilled = normal("fid", 60, 6) @ normal("mix", 6, 6) + 1, 2 * normal("other", 50, 6)
        one, other = np.cov(real.double().T), np.cov(distilled.double().T)
        root = scipy.linalg.sqrtm(one @ other).real
        difference = real.double().mean(0) - distilled.double().mean(0)
        expected = difference.square().sum() + np.trace(one + other - 2 * root)
        assert fid(real, distilled).item() == pytest.approx(float(expected), rel=1e-9)

    def test_of_equal_sets_is_0(self):
        real = normal("same", 40, 6)
        assert fid(real, real.flip(0)).item() == pytest.approx(0, abs=1e-9)

    @pytest.mark.parametrize("n", [0, 1])
    def test_needs_two_images_of_each(self, n):
        with pytest.raises(ValueError, match=f"fid@given: 3 real and {n} distilled images; two of each"):
            fid(normal("few", 3, 4), normal("less", n, 4))


class TestKID:
    def test_of_whole_sets_is_the_unbiased_estimate(self):
        # the definition with loops over all pairs in float64
        real, distilled = normal("kid", 12, 5), normal("other", 12, 5) + 0.3
        x, y = real.double().numpy(), distilled.double().numpy()

        def kernel(a, b):
            return (a @ b / 5 + 1) ** 3

        def within(points):
            n = len(points)
            return sum(kernel(points[i], points[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))

        between = np.mean([kernel(a, b) for a in x for b in y])
        found = kid(real, distilled, subsets=3, subset_size=12)
        assert found.mean == pytest.approx(within(x) + within(y) - 2 * between, rel=1e-9)
        assert found.std == pytest.approx(0, abs=1e-12)

    def test_of_samples_of_one_distribution_is_around_0(self):
        means = [
            kid(normal(f"r{i}", 30, 4), normal(f"d{i}", 30, 4), subsets=1, subset_size=30).mean for i in range(100)
        ]
        assert min(means) < 0 < max(means)
        assert abs(np.mean(means)) < 4 * np.std(means) / math.sqrt(100)

    def test_subsets_depend_on_the_seed_alone(self):
        real, distilled = normal("kid", 40, 5), normal("other", 30, 5)
        before = torch.get_rng_state()
        options = {"subsets": 5, "subset_size": 10}
        found = kid(real, distilled, **options)
        assert torch.equal(torch.get_rng_state(), before)
        torch.rand(7)
        assert kid(real.flip(0), distilled.roll(3, 0), **options) == found
        assert kid(real, distilled, seed=1, **options) != found
        assert found.std > 0

    def test_computing_twice_and_going_on_afterwards(self):
        real, distilled = normal("kid", 40, 5), normal("other", 30, 5)
        metric = KID(GivenFeatures(5), 5, "given", subsets=5, subset_size=10)
        metric.update(real[:25], real=True)
        metric.update(distilled, real=False)
        first = metric.compute()
        assert [len(batch) for batch in metric.real_features] == [25]
        assert metric.real_features[0].dtype == torch.float32
        metric.update(real[25:], real=True)
        assert metric.compute() == kid(real, distilled, subsets=5, subset_size=10) != first

    def test_needs_as_many_images_as_a_subset(self):
        with pytest.raises(ValueError, match="kid@given: 20 real and 9 distilled images; a subset has subset_size=10"):
            kid(normal("enough", 20, 4), normal("few", 9, 4), subset_size=10)
        for wrong in ({"subset_size": 1}, {"subsets": 0}):
            with pytest.raises(ValueError, match=r"subset_size=.* at least 2"):
                KID(GivenFeatures(4), 4, "given", **wrong)


@pytest.mark.parametrize("metric", [FID, KID])
class TestBoth:
    def test_the_feature_network_stays_in_eval_mode_without_gradients(self, metric):
        network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.BatchNorm1d(3))
        graph = []
        network.register_forward_hook(lambda *_: graph.append(torch.is_grad_enabled()))
        measure = metric(network, 3, "tiny")
        nn.ModuleList([measure]).train()
        measure.update(torch.rand(8, 3, 2, 2), real=True)
        assert not network.training
        assert graph == [False]
        assert not network[2].running_mean.any()
        state = measure.real_features_sum if metric is FID else measure.real_features[0]
        assert not state.requires_grad

    def test_a_network_that_answers_something_else_is_refused(self, metric):
        network = nn.Linear(4, 10)
        network.num_features = 512  # timm's attribute, which is not what the network answers
        with pytest.raises(ValueError, match=r"shape \(3, 10\) received, \(images, 512\) expected"):
            metric(network, 512, "timm").update(torch.rand(3, 4), real=True)
        with pytest.raises(ValueError, match="2 of 3 images of a batch are NaN"):
            metric(GivenFeatures(1), 1, "nan").update(torch.tensor([[0.0], [torch.nan], [torch.inf]]), real=False)

    def test_the_key_names_the_features(self, metric):
        assert metric(GivenFeatures(4), 4, "resnet18").key == f"{metric.__name__.lower()}@resnet18"
        with pytest.raises(ValueError, match="cannot name features"):
            metric(GivenFeatures(4), 4, "")
        with pytest.raises(ValueError, match="num_features=0"):
            metric(GivenFeatures(0), 0, "none")


@pytest.mark.parametrize("name", ["", "a b", "fid@x", "\n"])
def test_names_that_would_break_a_key_are_refused(name):
    with pytest.raises(ValueError, match="without @ and spaces"):
        metric_key("fid", name)
