"""Sets of a small VAR with stored maps, made once."""

from pathlib import Path

import pytest

from hieramp_lit.shards import ShardSet
from tests.analysis.saliency.making import generator, lively
from tests.shards.making import make_set


@pytest.fixture(scope="session")
def lively_var(tiny_var: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights whose maps are not even."""
    return lively(tiny_var, tmp_path_factory.mktemp("weights") / "lively.safetensors")


@pytest.fixture(scope="session")
def amplified(lively_var: Path, tiny_tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> ShardSet:
    """Two images of each digit with maps, scales 1 2 3 4, seed 0."""
    folder = tmp_path_factory.mktemp("maps") / "amplified"
    return make_set(folder, generator(lively_var, tiny_tokenizer), save_saliency=True)


@pytest.fixture(scope="session")
def plain(lively_var: Path, tiny_tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> ShardSet:
    """The same without amplification and without maps."""
    folder = tmp_path_factory.mktemp("maps") / "plain"
    return make_set(folder, generator(lively_var, tiny_tokenizer, None))
