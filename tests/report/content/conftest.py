"""Sets made once; do not change them."""

from pathlib import Path

import pytest

from tests.report.content.made import OFF, made_set


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a project's: ``store/made`` is amplified in the coarse stage, ``store/off`` of equal seed is not."""
    root = tmp_path_factory.mktemp("home")
    made_set(root / "store/made")
    made_set(root / "store/off", OFF)
    return root
