import torch

from hieramp_lit.generate import token_uniforms
from hieramp_lit.seeds import stable_seed


def test_a_stream_belongs_to_class_index_and_seed_alone():
    rows, indices = torch.tensor([1, 2, 2]), torch.tensor([2, 1, 2])
    together = token_uniforms(rows, indices, seed=5, length=8)
    for i in range(3):
        assert torch.equal(token_uniforms(rows[i : i + 1], indices[i : i + 1], 5, 8)[0], together[i])
    assert together.dtype == torch.float64
    assert len(together.unique()) == 24
    assert not torch.equal(token_uniforms(rows, indices, 6, 8), together)


def test_the_numbers_never_change():
    # Frozen: a change here changes every set that anybody has generated.
    assert stable_seed("image", 0, 207, 3) == 8244964300587210626
    expected = [0.3413, 0.7500, 0.5809]
    drawn = token_uniforms(torch.tensor([207]), torch.tensor([3]), seed=0, length=3)
    torch.testing.assert_close(drawn[0], torch.tensor(expected, dtype=torch.float64), atol=1e-4, rtol=0)


def test_seeds_tell_parts_and_types_apart():
    seeds = {
        stable_seed(*parts)
        for parts in [("a", "bc"), ("ab", "c"), ("abc",), ("a", 1), ("a", "1"), (1, "a"), (-1,), (1,)]
    }
    assert len(seeds) == 8
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_an_empty_batch_has_no_numbers():
    empty = torch.zeros(0, dtype=torch.long)
    assert token_uniforms(empty, empty, 0, 5).shape == (0, 5)
