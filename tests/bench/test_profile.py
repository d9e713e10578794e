import time

import pytest
import torch

from hieramp_lit.bench.profile import KINDS, LAUNCHING, OTHER, kind_of, shares

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("operator", "kind"),
    [
        ("mkldnn::_linear_pointwise", "matrix products of the transformer"),
        ("aten::addmm", "matrix products of the transformer"),
        ("nvjet_hsh_128x192_64x4_2x1_v_bz_coopA_NTT", "matrix products of the transformer"),
        ("aten::bmm", "attention"),
        ("flash_fwd_kernel", "attention"),
        ("aten::_softmax", "attention"),
        ("aten::mkldnn_convolution", "convolutions"),
        ("aten::native_group_norm", "norms, modulations and activations"),
        ("aten::add_", "norms, modulations and activations"),
        ("aten::topk", "guidance, filtering and drawing"),
        ("aten::sum", "guidance, filtering and drawing"),
        ("aten::copy_", "copies and casts"),
        ("aten::view", OTHER),
    ],
)
def test_operators_are_sorted_by_name(operator: str, kind: str):
    assert kind_of(operator) == kind


def test_the_shares_make_up_the_time_and_the_largest_comes_first():
    left = torch.randn(1200, 1200)

    def work() -> None:
        left @ left
        time.sleep(0.05)

    work()
    found = shares("work", work, 2, 0.001, CPU)
    assert set(found.seconds) == {*KINDS, OTHER, LAUNCHING}
    assert list(found.seconds.values()) == sorted(found.seconds.values(), reverse=True)
    assert found.seconds["matrix products of the transformer"] > found.seconds["attention"] == 0
    assert found.seconds[LAUNCHING] > 0.04  # nothing computes while it sleeps
    assert found.total_s == pytest.approx(sum(found.to_json()["seconds"].values()))
