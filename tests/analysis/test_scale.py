"""Sets of ImageNet-1K's size take less than two minutes and 2 GB.

The suite counts a twentieth of them. All 50 000 images with files of 88 kB, which takes 9 GB of disk, one set and two:

    HIERAMP_ANALYZE_IMAGE_BYTES=88000 python -m pytest -s tests/analysis/test_scale.py
"""

import json
import os
import time
from pathlib import Path

import pytest

from hieramp_lit.analysis import analyze_tokens, token_maps
from tests.analysis.scale import make, measure

IMAGE_BYTES = os.environ.get("HIERAMP_ANALYZE_IMAGE_BYTES")


def test_imagenet_takes_minutes_and_little_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if IMAGE_BYTES is None:
        shards = make(tmp_path / "set", 50, 1000, 0)
        start = time.process_time()
        analyze_tokens(shards, token_maps(shards.manifest.configuration, None, None), heatmap_classes=[7])
        assert time.process_time() - start < 2 * 120 / 20  # of two cores
        return
    for draw, name in enumerate(("plain", "amplified")):
        make(tmp_path / name, 1000, int(IMAGE_BYTES), draw)
    one, two = str(tmp_path / "amplified"), str(tmp_path / "plain")
    found = {"one set": measure(one, "--out", "one"), "two sets": measure(one, "--against", two, "--out", "two")}
    with capsys.disabled():
        os.write(1, f"\n{json.dumps(found)}\n".encode())
    assert all(took["seconds"] < 120 and took["MiB"] < 2000 for took in found.values())
