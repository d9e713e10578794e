import numpy as np
import pytest

from hieramp_lit.analysis.saliency import enlarged, overlap


def marked(*rows: str) -> np.ndarray:
    return np.array([[letter == "#" for letter in row] for row in rows])


def test_iou_by_hand() -> None:
    # Threshold 3: two pixels, one inside, of three inside: 1/4. Threshold 2: three pixels, two inside: 2/4. All: 3/4.
    assert overlap(np.array([[3.0, 3.0], [2.0, 1.0]]), marked("#.", "##"))[:2] == (0.75, 1.0)
    assert overlap(np.array([[3.0, 0.0], [2.0, 1.0]]), marked("#.", "##"))[:2] == (1.0, 1.0)
    assert overlap(np.array([[0.0, 3.0], [0.0, 0.0]]), marked("#.", "##"))[:2] == (0.75, 0.0)
    assert overlap(np.array([[9.0, 1.0], [2.0, 1.0]]), marked("#.", "#."))[:2] == (1.0, 2.0)


def test_iou_of_positions_that_cover_several_pixels() -> None:
    # The highest position covers 2 × 2 of 4 × 4 pixels, the mask three of these and one outside: 3 / 5.
    mask = marked("##..", "#...", "...#", "....")
    assert overlap(np.array([[4.0, 2.0], [1.0, 1.0]]), mask)[:2] == (0.6, 4.0)


def test_of_equal_ious_the_highest_threshold_counts() -> None:
    # 1 of 1 against 2: 1/2; then 2 of 4 against 2: 1/2.
    assert overlap(np.array([[3.0, 1.0], [1.0, 1.0]]), marked("##", ".."))[:2] == (0.5, 3.0)


@pytest.mark.parametrize(("side", "size"), [(3, 8), (5, 13), (8, 8)])
def test_iou_is_that_of_trying_every_threshold_on_the_enlarged_map(side: int, size: int) -> None:
    random = np.random.default_rng(side)
    for _ in range(20):
        own = np.round(random.random((side, side)), 1) + 0.1  # with ties
        mask = random.random((size, size)) < 0.3
        shown = enlarged(own, size, size)
        tried = [
            ((shown >= t) & mask).sum() / ((shown >= t) | mask).sum() for t in sorted(set(own.ravel()), reverse=True)
        ]
        iou, threshold = overlap(own, mask)[:2]
        assert iou == pytest.approx(max(tried))
        assert ((shown >= threshold) & mask).sum() / ((shown >= threshold) | mask).sum() == pytest.approx(iou)
        assert iou >= mask.mean()


def test_pointing_by_hand() -> None:
    own = np.array([[1.0, 5.0], [2.0, 3.0]])
    assert overlap(own, marked(".#", "..")).hit
    assert not overlap(own, marked("#.", "##")).hit


def test_pointing_at_a_position_that_the_object_touches() -> None:
    own = np.array([[1.0, 5.0], [2.0, 3.0]])
    assert overlap(own, marked("...#", "....", "....", "....")).hit
    assert not overlap(own, marked("....", "....", "...#", "....")).hit


def test_of_equal_positions_one_is_enough() -> None:
    own = np.array([[5.0, 5.0], [0.0, 0.0]])
    assert overlap(own, marked(".#", "..")).hit
    assert not overlap(own, marked("..", ".#")).hit


def test_chance_is_the_share_of_touched_positions() -> None:
    mask = marked("#...", "....", "...#", "....")
    assert [overlap(np.ones((side, side)), mask).chance for side in (1, 2, 4)] == [1.0, 0.5, 2 / 16]


def test_no_object_and_a_coarser_mask_are_refused() -> None:
    own = np.ones((4, 4))
    with pytest.raises(ValueError, match="marks no pixel"):
        overlap(own, np.zeros((8, 8), bool))
    with pytest.raises(ValueError, match="2 pixels in a line"):
        overlap(own, np.ones((2, 2), bool))
