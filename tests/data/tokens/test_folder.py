import json

import numpy as np
import pytest

from hieramp_lit.classes import load_classes
from hieramp_lit.data.tokens.cache import TokenCacheError
from hieramp_lit.data.tokens.folder import check_folder, claim_folder, complete_shards, finish_cache, write_shard
from hieramp_lit.data.tokens.layout import TokenLayout
from tests.data.tokens.token_caches import flip_a_byte

LAYOUT = TokenLayout(train=5, val=2, views=1, shard_size=3)
IDENTITY = {"tokenizer": {"sha256": "ab" * 32, "patch_nums": [1, 2]}, "shard_size": 3, "views": 1}


def write(folder, shards=LAYOUT.shards):
    arrays = {shard: (np.ones((shard.samples, 5), dtype=np.uint16), np.arange(shard.samples)) for shard in shards}
    return [write_shard(folder, shard, *arrays[shard], IDENTITY) for shard in shards]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_claiming_a_new_folder_writes_down_whose_it_is(tmp_path):
    folder = tmp_path / "deep" / "cache"
    check_folder(folder, IDENTITY)
    assert not folder.exists()
    assert claim_folder(folder, IDENTITY, LAYOUT) == []
    assert json.loads((folder / ".identity.json").read_text()) == IDENTITY


def test_what_a_killed_run_left_is_swept_and_nothing_else(tmp_path):
    ours = (
        ".train-view00-000000.tokens.npy.tmp",
        ".val-view00-000000.json.tmp",
        ".manifest.json.tmp",
        "..identity.json.tmp",
    )
    others = ".notes.txt.tmp", ".train-000000.tar.tmp", "photo.jpg"
    for name in (*ours, *others):
        (tmp_path / name).touch()
    claim_folder(tmp_path, IDENTITY, LAYOUT)
    assert names(tmp_path) == sorted([*others, ".identity.json"])


def test_a_finished_cache_stays_as_it_is(tmp_path):
    claim_folder(tmp_path, IDENTITY, LAYOUT)
    records = write(tmp_path)
    finish_cache(tmp_path, IDENTITY, LAYOUT, 5, load_classes("digits"), records)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert claim_folder(tmp_path, IDENTITY, LAYOUT) == records
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_a_finished_cache_that_lost_a_file_goes_back_to_being_made(tmp_path):
    finish_cache(tmp_path, IDENTITY, LAYOUT, 5, load_classes("digits"), write(tmp_path))
    (tmp_path / "val-view00-000000.labels.npy").unlink()
    assert [record.name for record in claim_folder(tmp_path, IDENTITY, LAYOUT)] == [
        "train-view00-000000",
        "train-view00-000001",
    ]
    assert "manifest.json" not in names(tmp_path)
    assert ".identity.json" in names(tmp_path)


@pytest.mark.parametrize("kind", ["tokens", "labels"])
@pytest.mark.parametrize("finished", [True, False])
def test_a_damaged_shard_does_not_count_as_made(tmp_path, kind, finished):
    claim_folder(tmp_path, IDENTITY, LAYOUT)
    records = write(tmp_path)
    if finished:
        finish_cache(tmp_path, IDENTITY, LAYOUT, 5, load_classes("digits"), records)
    flip_a_byte(tmp_path / f"train-view00-000001.{kind}.npy")
    with pytest.warns(UserWarning, match=rf"made anew: train-view00-000001\.{kind}\.npy\."):
        assert claim_folder(tmp_path, IDENTITY, LAYOUT) == [records[0], records[2]]
    assert "manifest.json" not in names(tmp_path)


def test_a_shard_counts_only_with_its_sidecar_its_size_and_its_identity(tmp_path):
    records = write(tmp_path)
    assert complete_shards(tmp_path, IDENTITY, LAYOUT) == records
    assert complete_shards(tmp_path, {**IDENTITY, "views": 2}, LAYOUT) == []
    path = tmp_path / "train-view00-000000.tokens.npy"
    path.write_bytes(path.read_bytes() + b"x")
    (tmp_path / "train-view00-000001.json").unlink()
    assert complete_shards(tmp_path, IDENTITY, LAYOUT) == records[2:]


def test_writing_a_shard_again_takes_the_sidecar_away_first(tmp_path, monkeypatch):
    write(tmp_path, LAYOUT.shards[:1])
    monkeypatch.setattr(np, "save", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(tmp_path, LAYOUT.shards[:1])
    assert complete_shards(tmp_path, IDENTITY, LAYOUT) == []


def test_every_difference_is_named(tmp_path):
    claim_folder(tmp_path, IDENTITY, LAYOUT)
    other = {"tokenizer": {"sha256": "cd" * 32, "patch_nums": [1, 3]}, "shard_size": 3, "views": 4}
    with pytest.raises(TokenCacheError) as error:
        check_folder(tmp_path, other)
    for part in ("tokenizer.sha256", "tokenizer.patch_nums[1]: folder 2, this run 3", "views: folder 1, this run 4"):
        assert part in str(error.value)
    assert "shard_size" not in str(error.value)


def test_damaged_files_are_named(tmp_path):
    write(tmp_path)
    (tmp_path / "val-view00-000000.json").write_text("{")
    with pytest.raises(TokenCacheError, match=r"val-view00-000000\.json is damaged"):
        complete_shards(tmp_path, IDENTITY, LAYOUT)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(TokenCacheError, match=r"manifest\.json is damaged or of something else"):
        check_folder(tmp_path, IDENTITY)
