import pytest
import torch

from hieramp_lit.metrics.neighbours import blocks, distances, nearest, neighbour_distances
from tests.metrics.feature_sets import normal, pairwise


@pytest.mark.parametrize("block_size", [1, 4, 7, 100])
@pytest.mark.parametrize("k", [1, 3, 22])
def test_neighbours_are_those_of_all_pairs(k, block_size):
    feature = normal("neighbours", 23, 5)
    every = pairwise(feature, feature).fill_diagonal_(torch.inf).sort(dim=1).values[:, :k]
    torch.testing.assert_close(neighbour_distances(feature, k, block_size).double(), every, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("block_size", [1, 4, 7, 100])
def test_nearest_is_that_of_all_pairs(block_size):
    query, other = normal("query", 11, 5), normal("other", 23, 5)
    distance, place = nearest(query, other, block_size=block_size)
    expected = pairwise(query, other).min(dim=1)
    assert torch.equal(place, expected.indices)
    torch.testing.assert_close(distance.double(), expected.values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("block_size", [1, 2, 100])
def test_no_row_is_its_own_neighbour_but_an_equal_one_is(block_size):
    feature = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0], [0.0, 1.0]])
    own = torch.tensor([3, 1, 2])
    distance, place = nearest(feature[own], feature, own, block_size)
    assert distance.tolist() == [1.0, 0.0, 0.0]
    assert place.tolist() == [0, 2, 1]
    assert neighbour_distances(feature, 1, block_size).flatten().tolist() == [1.0, 0.0, 0.0, 1.0]


def test_of_equally_near_ones_the_first_wherever_blocks_end():
    other = torch.tensor([[2.0], [1.0], [-1.0], [1.0]])
    for block_size in (1, 2, 3, 4):
        assert nearest(torch.zeros(1, 1), other, block_size=block_size)[1].tolist() == [1]


def test_distances_do_not_round_with_the_size_of_features():
    # by the matrix product these would be at distance 0 or far apart, and copies not at 0
    far = 1e4 + normal("far", 300, 64)
    found = distances(far, far)
    assert torch.equal(found, found.T)
    assert not found.diagonal().any()
    torch.testing.assert_close(found.double(), pairwise(far, far), rtol=1e-5, atol=0)


def test_blocks_cover_everything_once():
    assert [list(range(10))[part] for part in blocks(10, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert list(blocks(0, 4)) == []
