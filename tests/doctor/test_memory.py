import pytest
import torch
from torch import nn

from hieramp_lit.doctor.memory import Part, check_memory, saved_for_backward, training_parts, tuning_parts
from hieramp_lit.var import VARArchitecture, VQVAEArchitecture


@pytest.mark.parametrize(("only", "cached", "gib"), [(False, True, 6.5), (False, False, 6.9), (True, True, 3.1)])
def test_tuning_is_estimated_to_a_third_of_what_was_measured(only: bool, cached: bool, gib: float):
    # `hieramp bench tune` at depth 16, batch 1, bfloat16, as the README quotes it
    with torch.device("meta"):
        architecture = VARArchitecture()
        var = architecture.build()
        vqvae = None if cached else VQVAEArchitecture().build(var.scales)
    parts = tuning_parts(var, vqvae, 1, half=True, class_tokens_only=only)
    assert sum(part.bytes for part in parts) / 2**30 == pytest.approx(gib, rel=1 / 3)


def test_what_saves_memory_is_estimated_to_save_it():
    with torch.device("meta"):
        var = VARArchitecture(depth=4).build()

    def needed(batch: int, **changes: object) -> int:
        return sum(part.bytes for part in tuning_parts(var, None, batch, **{"half": True, **changes}))

    usual = needed(8)
    for smaller in (needed(4), needed(8, checkpointing=True), needed(8, class_tokens_only=True), needed(8, sharded=4)):
        assert smaller < usual
    assert needed(8, half=False) > usual


def test_what_autograd_keeps_is_counted_once_and_without_weights():
    with torch.device("meta"):
        network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        image = torch.empty(3, 4)
    # the input, and the activation, which both its own gradient and the next layer's need
    assert saved_for_backward(network, lambda: network(image)) == 4 * (3 * 4 + 3 * 8)
    parts = {part.what: part.bytes for part in training_parts(network, lambda: network(image), half=True)}
    number = 4 * 8 + 8 + 8 * 2 + 2
    assert parts == {"weights": 4 * number, "gradients and AdamW": 12 * number, "activations": 2 * (3 * 4 + 3 * 8)}


@pytest.mark.parametrize(("free", "status"), [(99, "error"), (100, "warning"), (133, "warning"), (134, "ok")])
def test_memory_is_compared_with_what_is_free(free: int, status: str):
    found = check_memory([Part("weights", 60), Part("images", 40)], free, "cuda:0", "do this")
    assert found.status == status
    assert found.facts["needed_bytes"] == 100
    assert found.remedy == ("" if status == "ok" else "do this")
