import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hieramp_lit.bench.flops import image_flops, sequence_flops
from hieramp_lit.var import VARArchitecture, VQVAEArchitecture
from tests.golden.models import build_var


def test_the_published_model_costs_what_is_known_of_it():
    # 609 GFLOP of transformer with guidance and 394 of decoder, at depth 16 and 256 pixels.
    whole = image_flops(VARArchitecture(), VQVAEArchitecture(), class_tokens=False)
    assert whole == pytest.approx(609e9 + 394e9, rel=0.02)


@pytest.mark.parametrize("name", ["var_tiny", "var_tiny_shared_aln"])
@pytest.mark.parametrize("class_tokens", [True, False])
@torch.no_grad()
def test_a_sequence_is_counted_as_torch_counts_it(name: str, class_tokens: bool):
    var = build_var(name, class_tokens)
    counter = FlopCounterMode(display=False)
    with counter, torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        condition, cache = var.condition(torch.zeros(3, dtype=torch.int64)), var.new_cache(3)
        for k, length in enumerate(var.scales.lengths):
            features = None if k == 0 else torch.zeros(3, length, var.z_channels)
            var.forward_scale(features, k, condition, cache)
    assert 3 * sequence_flops(var) == counter.get_total_flops()
