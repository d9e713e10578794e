from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hieramp_lit.data.splits import stratified_split


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.data())
def test_a_split_is_a_partition_of_the_asked_size_with_each_class_in_proportion(labels, data):
    held_out = data.draw(st.integers(0, len(labels)))
    kept, out = stratified_split(labels, held_out, "test", 0)
    assert sorted(kept + out) == list(range(len(labels)))
    assert len(out) == held_out
    drawn = Counter(labels[i] for i in out)
    for label, size in Counter(labels).items():
        assert abs(drawn[label] - size * held_out / len(labels)) < 1


def test_the_stream_decides_which():
    labels = [0] * 20 + [1] * 20
    assert stratified_split(labels, 10, "a") == stratified_split(labels, 10, "a")
    assert stratified_split(labels, 10, "a") != stratified_split(labels, 10, "b")


def test_more_than_there_are_is_refused():
    with pytest.raises(ValueError, match="hold out 3 of 2"):
        stratified_split([0, 1], 3, "a")
