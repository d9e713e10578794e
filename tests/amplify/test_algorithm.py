"""Amplified attention against Algorithm 1 of the paper, written out in float64."""

import math
from copy import deepcopy

import pytest
import torch
from torch import Tensor

from hieramp_lit.amplify import Amplification, Amplifier
from hieramp_lit.var import Scales
from hieramp_lit.var.attention import KeyValueCache, SelfAttention

SCALES = Scales((1, 2, 3))
B, H, D = 4, 2, 3  # two images, both guidance halves


def algorithm_1(
    attention: SelfAttention, tokens: list[Tensor], n: int, beta: float, rho: float, rule: str, saliency: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Output, weights and mask at scale n: loops over images, heads and queries.

    `tokens[k]` holds the spatial tokens of scale k and last its class token.
    """
    attention = deepcopy(attention).double()
    W, q_bias, v_bias = attention.mat_qkv.weight, attention.q_bias, attention.v_bias
    C, length = H * D, SCALES.lengths[n]
    keys = torch.cat([t[:, : SCALES.lengths[k]] for k, t in enumerate(tokens[:n])] + [tokens[n]], dim=1).double()
    start = keys.shape[1] - length - 1
    head_scale = attention.scale_mul_1H11.flatten().clamp(max=math.log(100)).exp()

    def part(x: Tensor, i: int, bias: Tensor | None, h: int) -> Tensor:
        rows = slice(i * C + h * D, i * C + (h + 1) * D)
        y = x @ W[rows].T
        return y if bias is None else y + bias[h * D : (h + 1) * D]

    unit = lambda x: x / x.norm(dim=-1, keepdim=True)  # noqa: E731
    maps = torch.zeros(B, length, dtype=torch.float64)
    logits = torch.zeros(B, H, length + 1, keys.shape[1], dtype=torch.float64)
    for b in range(B):
        for h in range(H):
            q = unit(part(tokens[n][b].double(), 0, q_bias, h)) * head_scale[h]
            k = unit(part(keys[b], 1, None, h))
            logits[b, h] = q @ k.T
            own = logits[b, h, -1, start:-1]
            maps[b] += (own.exp() / own.exp().sum()) / H
    logits[:, :, -1, :start] = -math.inf  # the class token's query sees its own scale only
    count = max(1, round(rho * length)) if rho > 0 else 0
    mask = torch.zeros(B, length, dtype=torch.bool)
    for b in range(B):
        ranked_by = maps[b] if saliency == "own" else maps[B // 2 + b % (B // 2)]
        mask[b, sorted(range(length), key=lambda j: -ranked_by[j].item())[:count]] = True
    out = torch.zeros(B, length + 1, C, dtype=torch.float64)
    weights = torch.zeros_like(logits)
    for b in range(B):
        salient = torch.zeros(keys.shape[1], dtype=torch.bool)
        salient[start:-1] = mask[b]
        for h in range(H):
            v = part(keys[b], 2, v_bias, h)
            for i in range(length + 1):
                raised = logits[b, h, i] + (beta * salient if rule == "logit_bias" else 0)
                weight = raised.exp() / raised.exp().sum()
                if rule != "logit_bias":
                    weight = weight * torch.where(salient, beta, 1.0)
                if rule == "renormalized":
                    weight = weight / weight.sum()
                weights[b, h, i] = weight
                out[b, i, h * D : (h + 1) * D] = weight @ v
    return out @ attention.proj.weight.T + attention.proj.bias, weights, mask


def run(
    attention: SelfAttention, tokens: list[Tensor], n: int, amplification: Amplification
) -> tuple[Tensor, Amplifier]:
    amplifier = Amplifier(amplification.schedule(SCALES, 1, (0, 1, 2)), (0, 1, 2))
    shape = (B, H, SCALES.total + 1, D)
    cache = KeyValueCache(torch.full(shape, math.nan), torch.full(shape, math.nan))
    for k in range(n + 1):
        place = SCALES.slices[k]
        hook = amplifier.hooks(k)[0]
        out = attention.forward_scale(tokens[k], cache, place.start, SCALES.lengths[k], hook)
    return out, amplifier


@pytest.fixture
def attention() -> SelfAttention:
    torch.manual_seed(0)
    attention = SelfAttention(H * D, H, l2_norm=True)
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter)
    return attention.requires_grad_(False)


@pytest.fixture
def tokens() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(B, length + 1, H * D, generator=generator) for length in SCALES.lengths]


@pytest.mark.parametrize("saliency", ["own", "unconditional"])
@pytest.mark.parametrize(
    ("rule", "beta"),
    [("logit_bias", 5.0), ("logit_bias", -2.0), ("post_softmax", 5.0), ("post_softmax", 0.0), ("renormalized", 0.5)],
)
@pytest.mark.parametrize(("n", "rho"), [(1, 0.5), (2, 0.3), (2, 1.0)])
def test_equals_algorithm_1_in_float64(attention, tokens, rule, beta, saliency, n, rho):
    kind = (
        {"rule": "logit_bias"}
        if rule == "logit_bias"
        else {"rule": "post_softmax", "renormalize": rule == "renormalized"}
    )
    amplification = Amplification(beta=beta, rho=rho, scales=[1, 2], blocks=[0], saliency=saliency, **kind)
    out, amplifier = run(attention, tokens, n, amplification)
    expected, _, mask = algorithm_1(attention, tokens, n, beta, rho, rule, saliency)
    assert torch.equal(amplifier.masks[0, n], mask)
    torch.testing.assert_close(out.double(), expected, atol=2e-5, rtol=1e-5)


def test_salient_keys_gain_exactly_e_to_the_beta_in_odds(attention, tokens):
    beta = 1.7
    _, before, _ = algorithm_1(attention, tokens, 2, 0.0, 0.5, "logit_bias", "own")
    _, after, mask = algorithm_1(attention, tokens, 2, beta, 0.5, "logit_bias", "own")
    # The oracle itself keeps the promise of Eq. 10 …
    salient = torch.cat([torch.zeros(B, 5, dtype=torch.bool), mask, torch.zeros(B, 1, dtype=torch.bool)], dim=1)

    def odds(weights: Tensor) -> Tensor:
        inside = (weights * salient[:, None, None]).sum(-1)
        return inside / (weights.sum(-1) - inside)

    torch.testing.assert_close(odds(after) / odds(before), torch.full((B, H, 10), math.exp(beta), dtype=torch.float64))
    # … and so does the code: with one-hot values the output is the weights themselves.
    plain, _ = run_weights(attention, tokens, Amplification(beta=0.0, scales=[2], blocks=[0]))
    raised, amplifier = run_weights(attention, tokens, Amplification(beta=beta, scales=[2], blocks=[0]))
    inside = amplifier.masks[0, 2][:, None, :]

    def share(weights: Tensor) -> Tensor:
        total = (weights[:, :, 5:14] * inside).sum(-1)
        return total / (1 - total)

    torch.testing.assert_close(share(raised) / share(plain), torch.full((B, 10), math.exp(beta)), rtol=1e-3, atol=1e-3)


def run_weights(
    attention: SelfAttention, tokens: list[Tensor], amplification: Amplification
) -> tuple[Tensor, Amplifier]:
    """Attention weights of head 0 at scale 2, read off one key at a time by giving that key alone the value 1."""
    amplifier = Amplifier(amplification.schedule(SCALES, 1, (0, 1, 2)), (0, 1, 2))
    start, length = SCALES.slices[2].start, SCALES.lengths[2]
    keys = start + length + 1
    q, k, _ = attention._project(tokens[2])
    past = [attention._project(tokens[j][:, : SCALES.lengths[j]])[1] for j in range(2)]
    all_keys = torch.cat([*past, k], dim=2)
    hook = amplifier.hooks(2)[0]
    emphasis = hook(q[:, :, length:], k[:, :, :length], 1.0)
    values = torch.eye(keys).expand(B, H, keys, keys)
    bias = None if emphasis is None else emphasis.bias
    spatial = attention._attend(q[:, :, :length], all_keys, values, bias, start)
    own = attention._attend(q[:, :, length:], all_keys[:, :, start:], values[:, :, start:], bias, 0)
    return torch.cat([spatial, own], dim=2)[:, 0], amplifier


def test_a_renormalized_factor_is_the_bias_of_its_logarithm_to_the_bit(attention, tokens):
    factor = Amplification(beta=3.0, rule="post_softmax", renormalize=True, scales=[1, 2], blocks=[0])
    bias = Amplification(beta=math.log(3.0), rule="logit_bias", scales=[1, 2], blocks=[0])
    assert torch.equal(run(attention, tokens, 2, factor)[0], run(attention, tokens, 2, bias)[0])


def test_without_renormalizing_weights_sum_to_more_by_the_salient_share(attention, tokens):
    # Values of one everywhere, no output projection: the output is the sum of the weights.
    with torch.no_grad():
        attention.mat_qkv.weight[2 * H * D :] = 0
        attention.v_bias.fill_(1)
        attention.proj.weight.copy_(torch.eye(H * D))
        attention.proj.bias.zero_()
    kind = {"rule": "post_softmax", "renormalize": False, "scales": [2], "blocks": [0]}
    raised, amplifier = run(attention, tokens, 2, Amplification(beta=4.0, **kind))
    _, plain, mask = algorithm_1(attention, tokens, 2, 1.0, 0.5, "post_softmax", "own")
    assert torch.equal(amplifier.masks[0, 2], mask)
    share_BHn = (plain[..., 5:14] * mask[:, None, None]).sum(-1)
    expected = (1 + 3 * share_BHn).transpose(1, 2).repeat_interleave(D, dim=2)
    torch.testing.assert_close(raised.double(), expected, atol=1e-5, rtol=1e-5)
