import pytest
import torch

from hieramp_lit.bench.reference import draw_plainly
from hieramp_lit.var import Sampling, draw, filtered_weights, guide


def test_guidance_without_strength_is_the_conditional_and_is_linear():
    cond, uncond = torch.randn(2, 3, 5), torch.randn(2, 3, 5)
    assert torch.equal(guide(cond, uncond, 0.0), cond)
    torch.testing.assert_close(guide(cond, uncond, 3.0), cond + 3 * (cond - uncond))


@pytest.mark.parametrize(
    ("top_k", "top_p", "kept"),
    [
        (0, 0.0, {0.5, 0.3, 0.15, 0.05}),
        (2, 0.0, {0.5, 0.3}),
        (9, 0.0, {0.5, 0.3, 0.15, 0.05}),
        (0, 0.9, {0.5, 0.3, 0.15}),
        (0, 0.6, {0.5, 0.3}),
        (0, 0.01, {0.5}),
        (0, 1.0, {0.5, 0.3, 0.15, 0.05}),
        (3, 0.9, {0.5, 0.3, 0.15}),
        (2, 0.6, {0.5}),
    ],
)
def test_filtering_by_hand(top_k: int, top_p: float, kept: set[float]):
    # After top-k 2 the shares are .625 and .375; top-p .6 then drops a tail of at most .4, which is .375.
    p = torch.tensor([0.15, 0.5, 0.05, 0.3])
    expected = torch.tensor([value if round(value, 2) in kept else 0.0 for value in p.tolist()])
    weights = filtered_weights(p.log()[None], top_k=top_k, top_p=top_p)[0]
    torch.testing.assert_close(weights / weights.sum(), expected / expected.sum())
    assert weights.max() == 1


def test_draws_follow_the_distribution_and_never_take_what_was_dropped():
    p = torch.tensor([0.0, 0.2, 0.0, 0.5, 0.3, 0.0])
    u = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    counts = draw(p.expand(1, 1000, -1), u[None]).flatten().bincount(minlength=6)
    assert counts.tolist() == [0, 200, 0, 500, 300, 0]


def test_the_ends_of_the_unit_interval_draw_tokens_of_positive_probability():
    p = torch.tensor([[0.0, 0.25, 0.75, 0.0]]).expand(2, -1)
    u = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    assert draw(p[None], u[None]).tolist() == [[1, 2]]


@pytest.mark.parametrize("arguments", [{"cfg": -1.0}, {"cfg": float("nan")}, {"top_k": -1}, {"top_p": 1.5}])
def test_impossible_settings_name_their_key(arguments):
    with pytest.raises(ValueError, match=f"sampling.{next(iter(arguments))}"):
        Sampling(**arguments)


def test_the_best_token_stays_however_small_top_p_is():
    # The cumulative sum of a thousand float32 probabilities often ends below 1 − 1e-9, which would drop them all.
    logits = torch.randn(200, 1000, generator=torch.Generator().manual_seed(0))
    weights = filtered_weights(logits, top_k=0, top_p=1e-9)
    assert torch.equal(weights, torch.nn.functional.one_hot(logits.argmax(-1), 1000).float())


@pytest.mark.parametrize("vocab_size", [1, 5, 63, 64, 65, 128, 1000])
@pytest.mark.parametrize(("top_k", "top_p"), [(0, 0.0), (7, 0.0), (0, 0.8), (50, 0.95), (1, 0.5)])
def test_draws_are_those_of_the_plain_way(vocab_size: int, top_k: int, top_p: float):
    # The plain way sorts everything and sums the codebook from end to end.
    stream = torch.Generator().manual_seed(vocab_size)
    logits = 3 * torch.randn(2, 300, vocab_size, generator=stream)
    uniforms = torch.rand(2, 300, generator=stream, dtype=torch.float64)
    expected = draw_plainly(logits, uniforms, Sampling(top_k=top_k, top_p=top_p))
    assert torch.equal(draw(filtered_weights(logits, top_k=top_k, top_p=top_p), uniforms), expected)


def test_tokens_tied_with_the_last_kept_stay():
    logits = torch.tensor([[2.0, 1.0, 1.0, 1.0, 0.0]])
    assert (filtered_weights(logits, top_k=2, top_p=0.0) > 0).tolist() == [[True, True, True, True, False]]
