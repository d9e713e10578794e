import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from hieramp_lit.doctor.disk import PNG_SHARE, Writes, check_disk, checkpoint_bytes, existing_folder, shard_set_bytes

NEEDS = 1_000_000


@pytest.mark.parametrize(
    ("free", "status"),
    [(NEEDS - 1, "error"), (NEEDS, "warning"), (NEEDS * 5 // 4 - 1, "warning"), (NEEDS * 5 // 4, "ok")],
)
def test_what_is_needed_is_compared_with_what_is_free(tmp_path: Path, free: int, status: str):
    parts = [Writes("checkpoints", tmp_path / "runs", NEEDS - 10), Writes("weights", tmp_path / "w.pth", 10)]
    (found,) = check_disk(parts, free=lambda folder: free)
    assert found.status == status
    assert found.facts == {"needed_bytes": NEEDS, "free_bytes": free}
    assert bool(found.remedy) == (status != "ok")


def test_each_file_system_is_asked_at_a_folder_that_exists(tmp_path: Path):
    asked: list[Path] = []

    def free(folder: Path) -> int:
        asked.append(folder)
        return 2 * NEEDS

    check_disk([Writes("shards", tmp_path / "a" / "b" / "c", NEEDS)], free)
    assert asked == [tmp_path] == [existing_folder(tmp_path / "a" / "b")]


def test_a_folder_that_may_not_be_written_is_an_error(tmp_path: Path):
    found = check_disk([Writes("shards", tmp_path, 1)], lambda _: NEEDS, writable=lambda _: False)
    assert [line.status for line in found] == ["error", "ok"]
    assert "cannot be written to" in found[0].text


def test_photographs_take_about_as_much_as_estimated():
    side, shares = 224, []
    for photograph in load_sample_images().images:
        for left in (0, 200, 400):
            stored = io.BytesIO()
            Image.fromarray(np.ascontiguousarray(photograph[100:324, left : left + side])).save(stored, "png")
            shares.append(len(stored.getvalue()) / (3 * side**2))
    assert 0.75 * PNG_SHARE < np.mean(shares) < 1.25 * PNG_SHARE


def test_sizes_grow_with_what_is_stored():
    assert shard_set_bytes(10, 64, tokens=680) - shard_set_bytes(10, 64) == 10 * 2 * 680
    assert shard_set_bytes(20, 64) == 2 * shard_set_bytes(10, 64)
    assert checkpoint_bytes(100, 0, 0) == 400
    assert checkpoint_bytes(100, 100, 1) == 2 * 1200
