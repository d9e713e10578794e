import logging

import pytest
import torch

from hieramp_lit.data.bank import memory as bank_memory
from hieramp_lit.data.bank.memory import GIB, BankMemory

CPU, META = torch.device("cpu"), torch.device("meta")


@pytest.fixture(autouse=True)
def roomy(monkeypatch):
    monkeypatch.setattr(bank_memory, "available_bytes", lambda: 64 * GIB)


@pytest.mark.parametrize(
    ("device", "gib", "expected", "said"),
    [
        (META, 1, META, "The images take 1,024.0 MiB of memory on meta."),
        (META, 3, CPU, "more than the 2,048.0 MiB for them on meta (data.max_device_gib): they lie in host memory."),
        (META, 5, None, ""),
        (CPU, 3, CPU, "The images take 3,072.0 MiB of memory."),
        (CPU, 5, None, ""),
    ],
)
def test_the_device_comes_first_then_host_memory(device, gib, expected, said, caplog):
    with caplog.at_level(logging.INFO):
        assert BankMemory(device_gib=2, host_gib=4).place("The images", gib * GIB, device) == expected
    assert said in caplog.text
    assert bool(caplog.text) is bool(said)


def test_no_limit_is_half_of_what_is_free_on_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10 * GIB, 80 * GIB))
    cuda = torch.device("cuda")
    assert BankMemory().place("The images", 5 * GIB, cuda) == cuda
    assert BankMemory().place("The images", 6 * GIB, cuda) == CPU


def test_the_host_gives_half_of_what_it_has_left_at_most(monkeypatch):
    memory = BankMemory(host_gib=4)
    assert memory.host_limit() == (4 * GIB, "4 GiB of memory (data.max_host_gib)")
    monkeypatch.setattr(bank_memory, "available_bytes", lambda: 6 * GIB)
    assert memory.host_limit().bytes == 3 * GIB
    assert "3.0 GiB of memory, half of what the host has left (data.max_host_gib=4" in memory.host_limit().text
    assert memory.place("The images", 3 * GIB, CPU) == CPU
    assert memory.place("The images", 3 * GIB + 1, CPU) is None
    assert memory.place("The images", 3 * GIB + 1, CPU, host_bytes=4 * GIB) == CPU
    monkeypatch.setattr(bank_memory, "available_bytes", lambda: None)  # a system that does not tell
    assert memory.host_limit().bytes == 4 * GIB


def test_host_memory_is_pinned_for_a_gpu_alone():
    cuda = torch.device("cuda")
    assert BankMemory.pinned(CPU, cuda)
    assert not BankMemory.pinned(cuda, cuda)
    assert not BankMemory.pinned(CPU, CPU)


@pytest.mark.parametrize(
    ("setting", "key"), [({"device_gib": -1}, "max_device_gib"), ({"host_gib": -1}, "max_host_gib")]
)
def test_impossible_limits_name_their_key(setting, key):
    with pytest.raises(ValueError, match=rf"data\.{key}=-1"):
        BankMemory(**setting)
