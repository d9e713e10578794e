from pathlib import Path

import pytest
import torch

from hieramp_lit.generate import memory
from hieramp_lit.generate.memory import bytes_per_image, decoding_bytes, fitting_batch_size, free_bytes
from hieramp_lit.var import VARArchitecture, VQVAEArchitecture, var_in
from tests.golden.models import build_var


@pytest.mark.parametrize(
    ("free", "expected"),
    [(1000, 4), (1600, 8), (10**6, 50), (300, 1), (4 * 52 * 100, 50)],
    ids=["three quarters", "power of two", "the limit", "one", "the limit itself"],
)
def test_fits_with_a_margin(free: int, expected: int):
    # A batch of n takes 100 + 100 n.
    assert fitting_batch_size(100, 100, free, most=50) == expected
    assert 100 + 100 * expected <= 0.75 * free


def test_what_does_not_fit_is_refused_with_its_size():
    with pytest.raises(ValueError, match=r"auto.*2 MiB.*1 MiB free.*decode_batch_size"):
        fitting_batch_size(2**20, 2**20, 2**20, most=50)


def test_the_cache_of_the_published_model_is_counted_to_the_byte_and_the_rest_bounded():
    with torch.device("meta"):
        var = VARArchitecture().build()
        vqvae = VQVAEArchitecture().build(var.scales)
    cache = sum(tensor.numel() * tensor.element_size() for pair in var.new_cache(2) for tensor in pair)
    whole = bytes_per_image(var)
    assert cache < whole < 2 * cache
    assert decoding_bytes(vqvae, torch.float32, 2) == 2 * 256 * 256 * 160 * 20


def test_half_precision_fits_more():
    var = build_var("var_tiny")
    assert bytes_per_image(var_in(var, torch.bfloat16)) < bytes_per_image(var)


def test_this_machine_tells_what_is_free():
    assert 2**20 < free_bytes(torch.device("cpu")) < 2**50


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    free = free_bytes(torch.device("cpu"))
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert free_bytes(torch.device("cpu")) == pytest.approx(free, rel=0.2)
    (tmp_path / "memory.max").write_text("5000\n")
    assert free_bytes(torch.device("cpu")) == 4000
