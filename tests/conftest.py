"""Fixtures for all tests: repeatable, offline, and small enough for two cores."""

import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from hieramp_lit.checkpoints import save
from hieramp_lit.seeds import stream
from hieramp_lit.var import Scales, VARArchitecture, VQVAEArchitecture

# Read by libraries when they are imported, so set before any test module is.
os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1")

# A machine that is busy is slow, not wrong; pytest's timeout finds what hangs.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")

TINY_PATCH_NUMS = (1, 2, 3, 4)
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # Tests run side by side; more threads than cores make each of them slower.
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give every test the same random state and a folder to work in, and take back what it did to the process."""
    monkeypatch.chdir(tmp_path)
    environment = dict(os.environ)
    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    deterministic, dtype = torch.are_deterministic_algorithms_enabled(), torch.get_default_dtype()
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    yield
    random.setstate(states[0]), np.random.set_state(states[1]), torch.random.set_rng_state(states[2])
    torch.use_deterministic_algorithms(deterministic)
    torch.set_default_dtype(dtype)
    os.environ.clear()
    os.environ.update(environment)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Refuse connections that leave the machine: nothing here may need the network."""
    connect = socket.socket.connect

    def connect_locally(self: socket.socket, address: object) -> None:
        if self.family != socket.AF_UNIX and isinstance(address, tuple) and address[0] not in LOOPBACK:
            raise AssertionError(f"A test tried to reach {address}; the suite must work without a network.")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_locally)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path_factory.getbasetemp() / "torch_home"))


@pytest.fixture(scope="session")
def tiny_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer with random weights: 32 px images, patch_nums 1 2 3 4, 16 codes of 4 channels."""
    path = tmp_path_factory.mktemp("weights") / "tokenizer.safetensors"
    vqvae = VQVAEArchitecture(vocab_size=16, z_channels=4, ch=32, ch_mult=(1, 1, 1, 1), num_res_blocks=1, num_phi=2)
    torch.manual_seed(0)
    save(path, vqvae.build(Scales(TINY_PATCH_NUMS)).state_dict())
    return path


@pytest.fixture(scope="session")
def tiny_var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VAR with random weights that fits `tiny_tokenizer`: depth 2, width 16, 2 heads, 10 classes, class tokens."""
    path = tmp_path_factory.mktemp("weights") / "var.safetensors"
    architecture = VARArchitecture(
        patch_nums=TINY_PATCH_NUMS, vocab_size=16, z_channels=4, depth=2, embed_dim=16, num_heads=2, num_classes=10
    )
    var = architecture.build()
    var.init_weights(stream("tiny_var"))
    save(path, var.state_dict())
    return path
