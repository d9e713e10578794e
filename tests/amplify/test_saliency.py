import pytest
import torch

from hieramp_lit.amplify import class_token_saliency, salient_count, salient_positions


@pytest.mark.parametrize(
    ("rho", "length", "rounding", "count"),
    [
        (0.0, 9, "round", 0),
        (0.01, 9, "round", 1),
        (0.5, 9, "round", 4),  # 4.5, to the even neighbour as in the released code
        (0.5, 9, "floor", 4),
        (0.3, 16, "round", 5),
        (0.3, 16, "floor", 4),
        (0.29, 100, "floor", 29),  # 0.29 · 100 is 28.999… in binary
        (1.0, 7, "floor", 7),
        (0.7, 4, "round", 3),
    ],
)
def test_counts(rho, length, rounding, count):
    assert salient_count(rho, length, rounding) == count


def test_positions_are_the_highest_and_of_equals_the_first():
    saliency = torch.tensor([[0.1, 0.4, 0.2, 0.3], [0.25, 0.25, 0.25, 0.25]])
    assert salient_positions(saliency, 2).tolist() == [[False, True, False, True], [True, True, False, False]]
    assert not salient_positions(saliency, 0).any()
    assert salient_positions(saliency, 4).all()


def test_saliency_is_the_head_mean_of_softmax_and_sums_to_one():
    query, keys = torch.randn(2, 3, 1, 4), torch.randn(2, 3, 5, 4)
    expected = torch.zeros(2, 5, dtype=torch.float64)
    for b in range(2):
        for h in range(3):
            logits = torch.stack([0.7 * (query[b, h, 0].double() @ keys[b, h, j].double()) for j in range(5)])
            expected[b] += logits.exp() / logits.exp().sum() / 3
    saliency = class_token_saliency(query, keys, 0.7)
    assert saliency.dtype == torch.float32
    torch.testing.assert_close(saliency.double(), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(saliency.sum(1), torch.ones(2))


def test_equal_keys_are_equally_salient():
    saliency = class_token_saliency(torch.randn(1, 2, 1, 4), torch.ones(1, 2, 8, 4), 1.0)
    torch.testing.assert_close(saliency, torch.full((1, 8), 1 / 8))


def test_half_precision_queries_are_ranked_in_float32():
    query, keys = torch.randn(1, 2, 1, 4).bfloat16(), torch.randn(1, 2, 8, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        saliency = class_token_saliency(query, keys, 1.0)
    assert torch.equal(saliency, class_token_saliency(query.float(), keys.float(), 1.0))
