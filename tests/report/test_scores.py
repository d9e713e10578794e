import math

import pytest

from hieramp_lit.report.scores import (
    augmentation_robust_score,
    hard_label_recovery,
    improvement_over_random,
    label_robust_score,
)


def test_differences_by_hand():
    assert improvement_over_random(0.62, 0.5) == pytest.approx(0.12)
    assert improvement_over_random(0.3, 0.5) == pytest.approx(-0.2)
    assert hard_label_recovery(0.9, 0.4) == pytest.approx(0.5)


def test_label_robust_score_by_hand():
    # alpha = 0.5 * 0.12 - 0.5 * 0.5 = -0.19; (e^-0.19 - 0.367879) / 2.350402
    assert label_robust_score(0.12, 0.5) == pytest.approx((0.826959 - 0.367879) / 2.350402, abs=1e-6)
    assert label_robust_score(0.12, 0.5, weight=1.0) == pytest.approx((1.127497 - 0.367879) / 2.350402, abs=1e-6)
    assert label_robust_score(0.12, 0.5, weight=0.0) == pytest.approx((0.606531 - 0.367879) / 2.350402, abs=1e-6)


def test_augmentation_robust_score_by_hand():
    # beta = 0.5 * 0.12 + 0.5 * -0.04 = 0.04
    assert augmentation_robust_score(0.12, -0.04) == pytest.approx((1.040811 - 0.367879) / 2.350402, abs=1e-6)
    assert augmentation_robust_score(0.12, -0.04, 0.75) == pytest.approx((1.083287 - 0.367879) / 2.350402, abs=1e-6)


@pytest.mark.parametrize(("score", "worst", "best"), [
    (label_robust_score, (-1.0, 1.0), (1.0, -1.0)),
    (augmentation_robust_score, (-1.0, -1.0), (1.0, 1.0)),
])  # fmt: skip
def test_scores_reach_from_nought_to_one(score, worst, best):
    assert score(*worst) == pytest.approx(0.0)
    assert score(*best) == pytest.approx(1.0)
    assert score(0.0, 0.0) == pytest.approx((1 - math.exp(-1)) / (math.e - math.exp(-1)))


@pytest.mark.parametrize("value", [45.3, -0.1, 1.01, float("nan")])
def test_accuracies_in_per_cent_are_refused(value):
    for wrong in (
        lambda: improvement_over_random(value, 0.5),
        lambda: improvement_over_random(0.5, value),
        lambda: hard_label_recovery(value, 0.5),
        lambda: hard_label_recovery(0.5, value),
        lambda: label_robust_score(0.1, 0.1, weight=value),
    ):
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
            wrong()


@pytest.mark.parametrize("value", [12.0, -1.5, float("nan")])
def test_differences_in_points_are_refused(value):
    for wrong in (
        lambda: label_robust_score(value, 0.1),
        lambda: label_robust_score(0.1, value),
        lambda: augmentation_robust_score(value, 0.1),
        lambda: augmentation_robust_score(0.1, value),
    ):
        with pytest.raises(ValueError, match=r"\[-1, 1\]"):
            wrong()
