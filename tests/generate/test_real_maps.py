"""Maps over given tokens are those that the generator records while it draws these tokens."""

import pytest
import torch

from hieramp_lit.generate import Sampling, VARGenerator
from hieramp_lit.generate.real_maps import maps_of_tokens
from hieramp_lit.seeds import stream
from hieramp_lit.var import Scales, VARArchitecture, VQVAEArchitecture


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    sizes = {"vocab_size": 16, "z_channels": 4}
    var = VARArchitecture(patch_nums=(1, 2, 4), depth=3, embed_dim=16, num_heads=2, num_classes=5, **sizes).build()
    var.init_weights(stream("real_maps"))
    for block in var.blocks:
        torch.nn.init.normal_(block.ada_lin[1].weight, std=0.5)
    vqvae = VQVAEArchitecture(ch=32, ch_mult=(1, 1), num_res_blocks=1, num_phi=2, **sizes).build(Scales((1, 2, 4)))
    return vqvae.eval(), var.eval()


def test_maps_are_those_of_both_guidance_halves(networks):
    vqvae, var = networks
    generator = VARGenerator(vqvae, var, Sampling(cfg=2.0, top_k=8, top_p=0.9))
    label_B = torch.tensor([3, 0, 3])
    made = generator.generate(label_B, torch.arange(3), seed=1, record_saliency=True)
    with torch.no_grad():
        teacher_input = vqvae.teacher_input(made.tokens)
    halves = label_B, torch.full((3,), 5)
    for half, row_B in enumerate(halves):
        found = maps_of_tokens(var, teacher_input, row_B)
        assert set(found) == set(made.saliency) == {(1, k) for k in range(3)}
        for place, map_Bl in found.items():
            torch.testing.assert_close(map_Bl, made.saliency[place].chunk(2)[half], rtol=1e-4, atol=1e-6)
            torch.testing.assert_close(map_Bl.sum(dim=1), torch.ones(3))
    fine = maps_of_tokens(var, teacher_input, halves[0])[1, 2]
    assert not torch.allclose(fine, maps_of_tokens(var, teacher_input, halves[1])[1, 2])


def test_they_touch_neither_gradients_nor_modes(networks):
    _, var = networks
    var.train()
    found = maps_of_tokens(var, torch.randn(2, 20, 4), torch.tensor([0, 5]))
    assert var.training
    assert not any(map_Bl.requires_grad for map_Bl in found.values())
    var.eval()
