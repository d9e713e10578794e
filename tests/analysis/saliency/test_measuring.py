import math

import numpy as np
import pytest

from hieramp_lit.analysis.saliency import MapMeasures, Mean, paired_differences

EVEN, HALF = np.full((2, 2), 0.25), np.array([[0.5, 0.5], [0.0, 0.0]])
LEFT = np.array([[True, False], [True, False]])
TOP = np.array([[True, True], [False, False]])


def measured(*maps: np.ndarray, classes: tuple[int, ...] = (0, 0, 1)) -> MapMeasures:
    measures = MapMeasures((1, 2))
    for number, (own, cls) in enumerate(zip(maps, classes, strict=False)):
        measures.add(f"r0000{cls}_0000{number}", cls, (None, own), TOP)
    return measures


def test_means_per_scale_by_hand() -> None:
    means = measured(EVEN, HALF, HALF).scale_means()
    assert means["entropy"][0] == Mean(None, None, 0)
    assert means["entropy_share"][1].mean == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert means["entropy_share"][1].std == pytest.approx(math.sqrt(((1 / 3) ** 2 + 2 * (1 / 6) ** 2) / 2))
    assert means["entropy"][1].mean == pytest.approx((math.log(4) + 2 * math.log(2)) / 3)
    assert means["iou"][1].mean == pytest.approx((0.5 + 1 + 1) / 3)
    assert means["pointing"][1] == Mean(1.0, 0.0, 3)
    assert means["pointing_chance"][1] == Mean(0.5, 0.0, 3)


def test_means_of_a_class() -> None:
    means = measured(EVEN, HALF, HALF, HALF, classes=(4, 2, 4, 0)).class_means()
    assert list(means) == [0, 2, 4]
    assert means[4]["entropy_share"][1].mean == pytest.approx(0.75)
    assert means[4]["entropy_share"][1].n == 2
    assert means[2]["entropy_share"][1] == means[0]["entropy_share"][1] == Mean(pytest.approx(0.5), None, 1)
    assert means[4]["iou"][1] == Mean(0.75, pytest.approx(math.sqrt(0.125)), 2)
    assert MapMeasures((1, 2)).class_means() == {}


def test_values_follow_images_that_come_later() -> None:
    measures = measured(EVEN)
    assert measures.values("iou")[:, 1].tolist() == [0.5]
    measures.add("r00001_00000", 1, (None, HALF), TOP)
    assert measures.values("iou")[:, 1].tolist() == [0.5, 1.0]


def test_images_without_mask_count_for_entropy_alone() -> None:
    measures = MapMeasures((2,))
    measures.add("r00000_00000", 0, (HALF,), LEFT)
    measures.add("r00000_00001", 0, (EVEN,))
    measures.add("r00000_00002", 0, (EVEN,), np.zeros((2, 2), bool))
    means = measures.scale_means()
    assert (means["entropy"][0].n, means["iou"][0].n) == (3, 1)
    assert means["iou"][0].mean == pytest.approx(0.5)  # of the highest two one lies left; of all four two
    assert (measures.unmasked, measures.empty) == (["r00000_00001"], ["r00000_00002"])
    assert measures.mask_shares == [0.5, pytest.approx(math.nan, nan_ok=True), pytest.approx(math.nan, nan_ok=True)]


def test_pairs_are_those_of_equal_keys() -> None:
    ours, other = measured(EVEN, HALF, HALF), MapMeasures((1, 2))
    for key, own in (("r00001_00002", HALF), ("r00009_00000", EVEN), ("r00000_00000", HALF)):
        other.add(key, 0, (None, own))
    # The first image: 1 − 0.5; the third: 0.5 − 0.5; the second has no partner.
    found = paired_differences(ours, other, "entropy_share")
    assert found[0].n == 0
    assert (found[1].mean, found[1].n) == (pytest.approx(0.25), 2)
    assert found[1].std == pytest.approx(math.sqrt(0.125))
    assert paired_differences(ours, other, "iou")[1].n == 0
    with pytest.raises(ValueError, match="sides"):
        paired_differences(ours, MapMeasures((2, 4)), "entropy")


def test_maps_of_other_scales_are_refused() -> None:
    with pytest.raises(ValueError, match="1 maps for 2 scales"):
        MapMeasures((1, 2)).add("r00000_00000", 0, (EVEN,))
