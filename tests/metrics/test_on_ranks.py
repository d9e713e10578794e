"""Two processes measure what one measures, however images are shared out among them."""

import pytest

from tests.devices.ranks import on_ranks
from tests.metrics.metrics_on_ranks import measure, measure_on_ranks, whole


def test_two_ranks_measure_what_one_does(tmp_path):
    alone = measure(0, whole)
    for of_rank in on_ranks(tmp_path, measure_on_ranks):
        for found in of_rank:
            assert set(found) == set(alone)
            for name, expected in alone.items():
                assert len(found[name]) == len(expected)
                for value, number in zip(found[name], expected, strict=True):
                    assert value == pytest.approx(number, rel=1e-9, abs=1e-12), name
