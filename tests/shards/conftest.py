"""One finished set, made once, and copies of it to break."""

import shutil
from pathlib import Path

import pytest

from tests.shards.making import make_set


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished set of 20 noise images in 4 shards, with tokens and saliency. Do not change it."""
    folder = tmp_path_factory.mktemp("finished") / "set"
    make_set(folder, save_saliency=True)
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of `finished` that a test may break."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))
