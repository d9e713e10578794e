import numpy as np
import pytest
import torch
from torch.nn import functional as F

from hieramp_lit.var import Scales
from hieramp_lit.var.quantizer import MultiScaleQuantizer, SharedPhi


def make(sides=(1, 2, 4), vocab_size=7, channels=3, num_phi=4) -> MultiScaleQuantizer:
    torch.manual_seed(1)
    quantizer = MultiScaleQuantizer(Scales(sides), vocab_size, channels, num_phi)
    torch.nn.init.normal_(quantizer.embedding.weight)
    return quantizer


def oracle(quantizer: MultiScaleQuantizer, feature: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Tokens, f_hat and loss by loops in float64, from the published recipe."""
    quantizer, f = quantizer.double(), feature.double()
    book, sides = quantizer.embedding.weight, quantizer.scales.patch_nums
    f_hat, rest, tokens, loss = torch.zeros_like(f), f.clone(), [], 0.0
    for k, side in enumerate(sides):
        z = F.interpolate(rest, size=(side, side), mode="area")
        maps = torch.empty(len(f), side, side, dtype=torch.long)
        for b, y, x in np.ndindex(*maps.shape):
            maps[b, y, x] = torch.stack([(z[b, :, y, x] - row).square().sum() for row in book]).argmin()
        e = book[maps].permute(0, 3, 1, 2)
        if k < len(sides) - 1:
            e = F.interpolate(e, size=f.shape[-2:], mode="bicubic")
        n = len(quantizer.quant_resi.qresi_ls)
        ticks = np.linspace(1 / 12, 11 / 12, 4) if n == 4 else np.linspace(1 / (2 * n), 1 - 1 / (2 * n), n)
        conv = quantizer.quant_resi.qresi_ls[int(np.argmin(abs(ticks - k / (len(sides) - 1))))]
        e = 0.5 * e + 0.5 * F.conv2d(e, conv.weight, conv.bias, padding=1)
        f_hat, rest = f_hat + e, rest - e
        loss += 1.25 * (f_hat - f).square().mean().item() / len(sides)
        tokens.append(maps.flatten(1))
    return torch.cat(tokens, 1), f_hat, loss


@pytest.mark.parametrize(("sides", "num_phi"), [((1, 2, 4), 4), ((1, 2, 3, 4, 5), 2), ((2, 3, 3), 1), ((1, 4), 5)])
def test_equals_the_recipe_written_out(sides: tuple[int, ...], num_phi: int):
    quantizer = make(sides, num_phi=num_phi)
    feature = torch.randn(2, 3, sides[-1], sides[-1])
    quantized = quantizer.quantize(feature)
    assert torch.allclose(quantizer.accumulate(quantized.tokens), quantized.f_hat, atol=1e-5)
    tokens, f_hat, loss = oracle(quantizer, feature)
    assert torch.equal(quantized.tokens, tokens)
    torch.testing.assert_close(quantized.f_hat.double(), f_hat, atol=1e-5, rtol=0)
    assert quantized.loss.item() == pytest.approx(loss, abs=1e-5)


def test_teacher_input_is_what_generation_feeds_each_scale():
    quantizer = make()
    tokens = torch.randint(7, (2, quantizer.scales.total))
    f_hat, inputs = torch.zeros(2, 3, 4, 4), []
    for k, part in enumerate(quantizer.split(tokens)):
        if k:
            inputs.append(quantizer.next_input(f_hat, k))
        f_hat = f_hat + quantizer.contribution(part, k)
    assert torch.equal(quantizer.teacher_input(tokens), torch.cat(inputs, 1))
    assert torch.equal(quantizer.accumulate(tokens), f_hat)


def test_gradients_go_straight_through_to_the_feature():
    feature = torch.randn(2, 3, 4, 4, requires_grad=True)
    weight = torch.randn(2, 3, 4, 4)
    (make().quantize(feature).f_hat * weight).sum().backward()
    torch.testing.assert_close(feature.grad, weight)


def test_the_four_published_ticks_differ_from_equal_parts():
    assert np.allclose(SharedPhi(2, 4).ticks, [1 / 12, 4.333333 / 12, 7.666667 / 12, 11 / 12])
    assert np.allclose(SharedPhi(2, 3).ticks, [1 / 6, 1 / 2, 5 / 6])


def test_a_tie_between_ticks_takes_the_first():
    phi = SharedPhi(2, 2)
    assert phi.at(0.5) is phi.qresi_ls[0]


def test_errors_name_the_key():
    with pytest.raises(ValueError, match="num_phi=0"):
        SharedPhi(2, 0)
    with pytest.raises(ValueError, match="patch_nums"):
        make().quantize(torch.randn(1, 3, 5, 5))
    with pytest.raises(ValueError, match="patch_nums"):
        make().split(torch.zeros(1, 20, dtype=torch.long))
