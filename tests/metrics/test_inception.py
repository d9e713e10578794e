from pathlib import Path

import pytest

from hieramp_lit.metrics.inception import inception


def test_names_the_file_that_is_missing():
    with pytest.raises(
        FileNotFoundError, match=r"no file weights\.pth\. Download weights-inception-2015-12-05-6726825d"
    ):
        inception(Path("weights.pth"))


def test_names_the_package_that_is_missing(monkeypatch):
    Path("weights.pth").touch()
    monkeypatch.setattr("torchmetrics.image.fid._TORCH_FIDELITY_AVAILABLE", False)
    with pytest.raises(ModuleNotFoundError, match=r"pip install .hieramp_lit\[fid\]"):
        inception(Path("weights.pth"))
