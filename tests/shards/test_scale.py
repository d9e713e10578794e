"""Sets of millions of images: planning, resuming, finishing, opening and verifying the index take seconds.

The test walks through a million images; ten million, as in hieramp_lit/README.md, with

    HIERAMP_SCALE_IPC=1000 python -m pytest -s tests/shards/test_scale.py
"""

import json
import os
import time
from pathlib import Path

import pytest

from hieramp_lit.classes import ClassEntry, ClassList
from tests.callbacks.killing import run_apart
from tests.shards.scale import simulate

IMAGES_PER_CLASS = int(os.environ.get("HIERAMP_SCALE_IPC", "100"))


def test_millions_of_images_take_seconds_and_little_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "set").mkdir()
    assert run_apart(simulate, str(tmp_path / "set"), IMAGES_PER_CLASS, 250, str(tmp_path / "report.json")) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    with capsys.disabled():
        if "HIERAMP_SCALE_IPC" in os.environ:
            os.write(1, f"\n{json.dumps(report, indent=2)}\n".encode())
    assert report["shards"] == 10_450 * IMAGES_PER_CLASS // 250
    assert max(report["seconds"].values()) < 60
    assert report["MiB"] < 300


def test_many_classes_take_no_longer_than_their_number() -> None:
    start = time.perf_counter()
    entries = tuple(ClassEntry(cls, cls, None, str(cls), None) for cls in range(100_000))
    ClassList.from_json(ClassList(entries).to_json())
    assert time.perf_counter() - start < 20  # comparing each with each takes minutes
    with pytest.raises(ValueError, match=r"used twice: \[0\]"):
        ClassList((*entries, ClassEntry(100_000, 0, None, "again", None)))
