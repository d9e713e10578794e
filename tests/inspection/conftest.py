"""Sets to inspect, made once. Do not change them."""

from pathlib import Path

import pytest

from tests.data.digits_set import make_digits_set
from tests.inspection.sets import TokenGenerator, write_network
from tests.shards.making import make_set


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small classifier of ten classes."""
    return write_network(tmp_path_factory.mktemp("networks") / "network.safetensors")


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six random real digits of each class, in ten shards."""
    return make_digits_set(tmp_path_factory.mktemp("inspected") / "digits", images_per_class=6)


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight of each class by another seed: what `digits` is compared with."""
    return make_digits_set(tmp_path_factory.mktemp("inspected") / "others", images_per_class=8, seed=1)


@pytest.fixture(scope="session")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images of each of ten classes with tokens, see `TokenGenerator`."""
    return make_set(tmp_path_factory.mktemp("inspected") / "tokens", TokenGenerator(), images_per_class=3).path
