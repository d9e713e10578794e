import math

import pytest
import torch

from hieramp_lit.losses.token_cross_entropy import class_token_cross_entropy, token_cross_entropy


@pytest.mark.parametrize("vocab_size", [2, 16, 4096])
def test_uniform_logits_cost_log_v(vocab_size):
    loss_BL = token_cross_entropy(torch.full((2, 5, vocab_size), 3.0), torch.randint(0, vocab_size, (2, 5)))
    torch.testing.assert_close(loss_BL, torch.full((2, 5), math.log(vocab_size)))
    loss_BK = class_token_cross_entropy(torch.zeros(3, 7, vocab_size), torch.randint(0, vocab_size, (3,)))
    torch.testing.assert_close(loss_BK, torch.full((3, 7), math.log(vocab_size)))


def test_both_equal_the_definition_in_float64():
    token_logits, tokens = torch.randn(2, 5, 7), torch.randint(0, 7, (2, 5))
    class_logits, label = torch.randn(2, 3, 4), torch.randint(0, 4, (2,))
    tokens_by_hand = [
        [math.log(sum(math.exp(v) for v in row)) - row[int(t)] for row, t in zip(image, ts, strict=True)]
        for image, ts in zip(token_logits.double().tolist(), tokens, strict=True)
    ]
    classes_by_hand = [
        [math.log(sum(math.exp(v) for v in row)) - row[int(y)] for row in image]
        for image, y in zip(class_logits.double().tolist(), label, strict=True)
    ]
    torch.testing.assert_close(token_cross_entropy(token_logits, tokens), torch.tensor(tokens_by_hand))
    torch.testing.assert_close(class_token_cross_entropy(class_logits, label), torch.tensor(classes_by_hand))


def test_half_precision_logits_are_reduced_in_float32():
    logits, target = torch.randn(2, 5, 7).bfloat16(), torch.randint(0, 7, (2, 5))
    loss = token_cross_entropy(logits, target)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, token_cross_entropy(logits.float(), target))


def test_other_token_counts_point_to_patch_nums():
    with pytest.raises(ValueError, match="patch_nums"):
        token_cross_entropy(torch.zeros(2, 5, 7), torch.zeros(2, 6, dtype=torch.int64))
