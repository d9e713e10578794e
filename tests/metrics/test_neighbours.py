import pytest
import torch

from hieramp_lit.metrics.neighbours import SquaredDistances
from tests.metrics.feature_sets import normal, pairwise


@pytest.mark.parametrize("block_size", [1, 4, 7, 100])
@pytest.mark.parametrize("k", [1, 3, 22])
def test_neighbours_are_those_of_all_pairs(k, block_size):
    feature = normal("neighbours", 23, 5)
    every = pairwise(feature, feature).fill_diagonal_(torch.inf).sort(dim=1).values[:, :k]
    found = SquaredDistances(feature, block_size=block_size).of_neighbours(feature, k)
    torch.testing.assert_close(found.sqrt(), every)


@pytest.mark.parametrize("block_size", [1, 4, 7, 100])
def test_nearest_is_that_of_all_pairs(block_size):
    query, other = normal("query", 11, 5), normal("other", 23, 5)
    distance, place = SquaredDistances(other, query, block_size=block_size).nearest(query, other)
    expected = pairwise(query, other).min(dim=1)
    assert torch.equal(place, expected.indices)
    torch.testing.assert_close(distance, expected.values)


@pytest.mark.parametrize("block_size", [1, 2, 100])
def test_no_row_is_its_own_neighbour_but_an_equal_one_is(block_size):
    feature = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0], [0.0, 1.0]])
    own = torch.tensor([3, 1, 2])
    measure = SquaredDistances(feature, block_size=block_size)
    distance, place = measure.nearest(feature[own], feature, own)
    assert distance.tolist() == [1.0, 0.0, 0.0]
    assert place.tolist() == [0, 2, 1]
    assert measure.of_neighbours(feature, 1).flatten().tolist() == [1.0, 0.0, 0.0, 1.0]


def test_of_equally_near_ones_the_first_wherever_blocks_end():
    other = torch.tensor([[2.0], [1.0], [-1.0], [1.0]])
    for block_size in (1, 2, 3, 4):
        measure = SquaredDistances(other, block_size=block_size)
        assert measure.nearest(torch.zeros(1, 1), other)[1].tolist() == [1]


def test_distances_do_not_round_with_the_size_of_features():
    # in float32 a matrix product would put copies as far apart as others
    far = 1e4 + normal("far", 300, 64)
    found = SquaredDistances(far)(far, far)
    assert not found.diagonal().any()
    torch.testing.assert_close(found.sqrt(), pairwise(far, far), rtol=1e-9, atol=0)


def test_equal_distances_are_equal_wherever_they_stand():
    # a lattice off the centre, whose distances are not exact: none may be told from its equals
    grid = 0.1 * torch.cartesian_prod(torch.arange(6.0), torch.arange(5.0), torch.arange(4.0)) + 17.3
    grid = torch.cat([grid, grid])
    measure = SquaredDistances(grid, block_size=13)
    radius = measure.of_neighbours(grid, 1)
    assert not radius.any()
    _, place = measure.nearest(grid, grid)
    assert place.tolist() == 2 * list(range(120))


@pytest.mark.parametrize("block_size", [5, 1000])
def test_rounding_does_not_choose_among_equally_near_ones(block_size):
    # sixteen at distance 1 exactly; measured from a centre that is no round number, they come out a little apart
    query = (100 * normal("query", 30, 8)).round()
    other = (query[:, None] + torch.cat([torch.eye(8), -torch.eye(8)])).flatten(0, 1)
    distance, place = SquaredDistances(other, block_size=block_size).nearest(query, other)
    assert distance.tolist() == [1] * 30
    assert place.tolist() == list(range(0, 480, 16))


def test_blocks_cover_everything_once():
    measure = SquaredDistances(torch.ones(1, 1), block_size=4)
    assert [list(range(10))[part] for part in measure.blocks(10)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert list(measure.blocks(0)) == []
