import math

import numpy as np
import pytest
import torch

from hieramp_lit.metrics.prdc import PRDC, PRDCValues
from tests.metrics.feature_sets import normal, pairwise


def measure(real, distilled, **options):
    metric = PRDC(real.shape[1], **options)
    metric.update(real, real=True)
    metric.update(distilled, real=False)
    return metric.compute()


def oracle(real, distilled, k, dense_k, strict):
    """The four definitions, with loops over all pairs in float64."""

    def radii(points, k):
        every = pairwise(points, points).numpy()
        return [sorted(np.delete(every[i], i))[k - 1] for i in range(len(points))]

    def inside(distance, radius):
        return distance < radius if strict else distance <= radius

    between = pairwise(real, distilled).numpy()
    n, m = between.shape
    real_k, real_dense, fake_k = radii(real, k), radii(real, dense_k), radii(distilled, k)
    precision = sum(any(inside(between[i, j], real_k[i]) for i in range(n)) for j in range(m)) / m
    recall = sum(any(inside(between[i, j], fake_k[j]) for j in range(m)) for i in range(n)) / n
    hits = [[inside(between[i, j], real_dense[i]) for j in range(m)] for i in range(n)]
    density = sum(sum(row) for row in hits) / (dense_k * m)
    coverage = sum(any(row) for row in hits) / n
    return PRDCValues(precision, recall, density, coverage, n, m)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("block_size", [1, 5, 2048])
@pytest.mark.parametrize(("k", "dense_k"), [(1, 1), (3, 5), (5, 2)])
@pytest.mark.parametrize(("n", "m"), [(19, 13), (13, 19)])
def test_agrees_with_the_definitions(n, m, k, dense_k, block_size, strict):
    real = normal("real", n, 4)
    distilled = 0.7 * normal("distilled", m, 4) + 0.5
    options = {"precision_recall_k": k, "density_coverage_k": dense_k, "strict": strict, "block_size": block_size}
    found, expected = measure(real, distilled, **options), oracle(real, distilled, k, dense_k, strict)
    assert found == pytest.approx(expected)
    assert 0 < found.recall < 1


@pytest.mark.parametrize("strict", [False, True])
def test_with_ties_on_a_grid(strict):
    # whole numbers: many distances are equal exactly, so the sphere matters
    real = torch.cartesian_prod(torch.arange(4.0), torch.arange(3.0))[1:]  # whose centre is no round number
    distilled = torch.cat([real[::2] + torch.tensor([1.0, 0.0]), real[:3]])
    found = measure(real, distilled, strict=strict, block_size=5)
    assert found == pytest.approx(oracle(real, distilled, 3, 5, strict))
    other = measure(real, distilled, strict=not strict)
    assert found != other


def test_by_hand():
    # balls of the real ones (k = 1): 0 ± 1, 1 ± 1, 3 ± 2; of the distilled ones: 1.5 ± 8.5, 10 ± 8.5
    real, distilled = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([[1.5], [10.0]])
    found = measure(real, distilled, precision_recall_k=1, density_coverage_k=1)
    assert found == PRDCValues(precision=1 / 2, recall=1.0, density=2 / 2, coverage=2 / 3, real=3, distilled=2)


def test_the_same_images_overlap_wholly_and_far_ones_not_at_all():
    real = normal("same", 30, 8)
    same, far = measure(real, real), measure(real, real + 1000)
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)
    assert far[:4] == (0, 0, 0, 0)


def test_copies_are_inside_of_a_ball_of_radius_0_unless_strict():
    images = normal("copied", 3, 8).repeat(6, 1)  # each real image six times: five copies are its five neighbours
    assert measure(images, images[:6]) == PRDCValues(1.0, 1.0, 18 / 3 / 5, 1.0, 18, 6)
    strict = measure(images, images, strict=True)
    assert strict[:4] == (0, 0, 0, 0)


def test_one_image_repeated_has_precision_without_recall():
    real = normal("mode", 200, 8)
    found = measure(real, real[:1].repeat(200, 1))
    assert found.precision == 1
    assert found.recall == 1 / 200
    assert found.coverage < 0.3


def test_two_samples_of_one_distribution_have_the_expected_density_and_coverage():
    n, m, k = 60, 40, 5
    values = [measure(normal(f"r{i}", n, 3), normal(f"f{i}", m, 3)) for i in range(60)]
    expected = 1 - math.prod((n - i) / (n + m - i) for i in range(1, k + 1))
    assert np.mean([value.coverage for value in values]) == pytest.approx(expected, abs=0.015)
    assert np.mean([value.density for value in values]) == pytest.approx(1, abs=0.05)


def test_does_not_depend_on_batches_scale_or_place():
    real, distilled = normal("batches", 30, 4), normal("of it", 20, 4)
    metric = PRDC(4)
    for part in real.split(7):
        metric.update(8 * part, real=True)
    for part in distilled.flip(0).split(3):
        metric.update(8 * part, real=False)
    assert metric.compute() == measure(real, distilled)
    metric.reset()
    with pytest.raises(ValueError, match="0 real images"):
        metric.compute()


def test_too_few_images_are_refused_with_their_number():
    with pytest.raises(ValueError, match="5 real images are too few for 5 neighbours each: at least 6"):
        measure(normal("few", 5, 4), normal("enough", 20, 4))
    with pytest.raises(ValueError, match="3 distilled images are too few for 3 neighbours"):
        measure(normal("enough", 20, 4), normal("few", 3, 4))
    assert measure(normal("enough", 6, 4), normal("few", 4, 4)).real == 6


def test_features_that_cannot_be_measured_are_refused():
    metric = PRDC(4)
    with pytest.raises(ValueError, match=r"shape \(2, 5\) received, \(images, 4\) expected"):
        metric.update(torch.zeros(2, 5), real=True)
    broken = torch.zeros(3, 4)
    broken[1, 2] = torch.nan
    with pytest.raises(ValueError, match="1 of 3 images of a batch are NaN or infinite, the first at place 1"):
        metric.update(broken, real=False)
    with pytest.raises(ValueError, match="NaN or infinite"):
        metric.update(torch.full((1, 4), 1e300, dtype=torch.float64), real=False)


@pytest.mark.parametrize("name", ["num_features", "precision_recall_k", "density_coverage_k", "block_size"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"{name}=0"):
        PRDC(**{"num_features": 4, name: 0})
