from collections.abc import Callable
from pathlib import Path

import pytest

from tests.configs.inputs import TinyInputs, put_data_sets, write_imagenet, write_own_images


@pytest.fixture(scope="session")
def own_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_own_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_imagenet(tmp_path_factory.mktemp("imagenet"))


@pytest.fixture(scope="session")
def tiny_inputs(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Path) -> TinyInputs:
    return TinyInputs(tmp_path_factory.mktemp("shared"), tiny_tokenizer)


@pytest.fixture
def put_inputs(
    tiny_inputs: TinyInputs, own_images: Path, imagenet: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Path], Path]:
    """Put what a configuration reads into the current folder; the overlay that names the rest of it."""

    def put(config: Path) -> Path:
        put_data_sets(config, own_images, imagenet, monkeypatch)
        return tiny_inputs.write(config)

    return put
