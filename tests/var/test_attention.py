import math

import pytest
import torch
from torch import Tensor

from hieramp_lit.var.attention import SelfAttention, carry_bias
from hieramp_lit.var.class_tokens import QueryPart


def attended(attention: SelfAttention, x_BSC: Tensor, seen_SS: Tensor) -> Tensor:
    """The reference's equations (reference §1), head by head and query by query, in float64."""
    B, S, C = x_BSC.shape
    H, D = attention.num_heads, C // attention.num_heads
    weight, x = attention.mat_qkv.weight.double(), x_BSC.double()
    q, k, v = (x @ part.T for part in weight.chunk(3))
    q, v = q + attention.q_bias.double(), v + attention.v_bias.double()
    heads = torch.zeros(B, S, C, dtype=torch.float64)
    for h in range(H):
        own = slice(h * D, (h + 1) * D)
        qh, kh, vh = q[..., own], k[..., own], v[..., own]
        if attention.l2_norm:
            stretch = math.exp(min(attention.scale_mul_1H11[0, h, 0, 0].item(), math.log(100)))
            qh, kh = stretch * qh / qh.norm(dim=-1, keepdim=True), kh / kh.norm(dim=-1, keepdim=True)
            scale = 1.0
        else:
            scale = 0.25 / math.sqrt(D)
        for b in range(B):
            for i in range(S):
                keys = seen_SS[i].nonzero().flatten()
                weights = (scale * kh[b, keys] @ qh[b, i]).softmax(0)
                heads[b, i, own] = weights @ vh[b, keys]
    return heads @ attention.proj.weight.double().T + attention.proj.bias.double()


@pytest.mark.parametrize("l2_norm", [True, False])
@torch.no_grad()
def test_equals_the_equations_in_float64(l2_norm: bool) -> None:
    attention = SelfAttention(embed_dim=12, num_heads=3, l2_norm=l2_norm)
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    if l2_norm:
        attention.scale_mul_1H11[0, 0] = 9.0  # beyond log 100, which caps it
    x_BSC = torch.randn(2, 5, 12)
    seen_SS = torch.tensor([[column <= row or column == 0 for column in range(5)] for row in range(5)])
    every = [QueryPart(0, 5, 5, 5)]
    torch.testing.assert_close(
        attention(x_BSC, seen_SS, every).double(), attended(attention, x_BSC, seen_SS), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_carried_bias_is_the_bias(dtype: torch.dtype) -> None:
    q, k, v = (torch.randn(2, 3, length, 8).to(dtype) for length in (4, 6, 6))
    bias_BS = torch.tensor([[0, 5.3, -0.7, 2.1, 1e-3, 0], [5.3, 0, 0, 0, -11.7, 40.1]])
    wide_q, wide_k, wide_v = carry_bias(q, k, v, bias_BS)
    assert {wide.shape[-1] for wide in (wide_q, wide_k, wide_v)} == {16}
    assert {wide.dtype for wide in (wide_q, wide_k, wide_v)} == {dtype}
    logits = q.double() @ k.double().transpose(2, 3) + bias_BS.double()[:, None, None]
    torch.testing.assert_close(wide_q.double() @ wide_k.double().transpose(2, 3), logits, atol=1e-6, rtol=1e-7)
    assert torch.equal(wide_v[..., :8], v)
    assert not wide_v[..., 8:].any()
