import math

import numpy as np
import pytest

from hieramp_lit.analysis.saliency import entropy_share, map_entropy


@pytest.mark.parametrize("side", [2, 3, 16])
def test_an_even_map_has_the_highest_entropy(side: int) -> None:
    even = np.full((side, side), 0.37)  # scaled here, whatever it sums to
    assert map_entropy(even) == pytest.approx(math.log(side * side), abs=1e-12)
    assert entropy_share(even) == pytest.approx(1.0, abs=1e-12)


def test_one_position_has_none() -> None:
    one = np.zeros((4, 4))
    one[2, 1] = 5.0
    assert map_entropy(one) == 0.0
    assert entropy_share(one) == 0.0


def test_by_hand() -> None:
    # 1/2, 1/4, 1/8, 1/8: ln 2 · (1/2 + 2/4 + 3/8 + 3/8) = 1.75 ln 2, of ln 4.
    halves = np.array([[4.0, 2.0], [1.0, 1.0]])
    assert map_entropy(halves) == pytest.approx(1.75 * math.log(2))
    assert entropy_share(halves) == pytest.approx(0.875)


def test_a_single_position_has_no_share() -> None:
    assert map_entropy(np.array([[0.3]])) == 0.0
    assert entropy_share(np.array([[0.3]])) is None


def test_order_does_not_matter() -> None:
    values = np.arange(1.0, 17.0)
    assert map_entropy(values.reshape(4, 4)) == pytest.approx(map_entropy(values[::-1].reshape(4, 4)))
