import json
import pickle
import tracemalloc

import numpy as np
import pytest

from hieramp_lit.classes import load_classes
from hieramp_lit.data.tokens.cache import TokenCache, TokenCacheError
from hieramp_lit.data.tokens.folder import finish_cache, write_shard
from hieramp_lit.data.tokens.layout import TokenLayout

LAYOUT = TokenLayout(train=7, val=4, views=3, shard_size=3)
IDENTITY = {"tokenizer": {"sha256": "ab" * 32, "patch_nums": [1, 4]}, "shard_size": 3}


def stored(shard):
    """Tokens and labels of a shard: functions of split, view and sample; the largest code is among them."""
    samples = np.arange(shard.first, shard.first + shard.samples)
    tokens = 65535 - (samples[:, None] * 1000 + shard.view * 100 + np.arange(17) + 50 * (shard.split == "val"))
    return tokens.astype(np.uint16), samples * 2


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "tokens"
    folder.mkdir()
    records = [write_shard(folder, shard, *stored(shard), IDENTITY) for shard in LAYOUT.shards]
    finish_cache(folder, IDENTITY, LAYOUT, 17, load_classes("digits"), records)
    return folder


def test_what_was_written_is_read(folder):
    cache = TokenCache.open(folder)
    assert cache.classes == load_classes("digits")
    assert cache.identity == IDENTITY
    for shard in LAYOUT.shards:
        places = [(shard.view, shard.first + row) for row in range(shard.samples)]
        tokens, labels = cache.read(shard.split, places)
        assert tokens.dtype == labels.dtype == np.int64
        assert np.array_equal(tokens, stored(shard)[0])
        assert np.array_equal(labels, stored(shard)[1])
    mixed, labels = cache.read("train", [(2, 6), (0, 0), (2, 6), (1, 3)])
    assert labels.tolist() == [12, 0, 12, 6]
    assert np.array_equal(mixed[0], mixed[2])
    cache.verify()


def test_other_readers_see_plain_arrays_of_two_bytes_a_token(folder):
    array = np.load(folder / "train-view01-000002.tokens.npy", mmap_mode="r")
    assert array.shape == (1, 17)
    assert array.dtype == np.uint16
    views = LAYOUT.train * LAYOUT.views + LAYOUT.val
    arrays = list(folder.glob("*.npy"))
    assert sum(path.stat().st_size for path in arrays) == views * (2 * 17 + 8) + 128 * len(arrays)  # numpy's headers


def test_a_worker_process_gets_no_copy_of_what_is_mapped(folder):
    cache = TokenCache.open(folder)
    before = cache.read("val", [(0, 1)])[0]
    sent = pickle.dumps(cache)
    assert b"memmap" not in sent
    assert np.array_equal(pickle.loads(sent).read("val", [(0, 1)])[0], before)


@pytest.mark.parametrize("name", ["manifest.json", None])
def test_an_unfinished_cache_is_refused_with_what_to_do(folder, name):
    (folder / "manifest.json").unlink()
    with pytest.raises(TokenCacheError, match=r"data\.path=.*no finished token cache.*same command again"):
        TokenCache.open(folder if name else folder / "nowhere")


def test_a_shard_set_is_no_token_cache(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": {"name": "hieramp-shards", "version": 1}}))
    with pytest.raises(TokenCacheError, match="hieramp-shards"):
        TokenCache.open(folder)


def edit(folder, **changes):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}))


@pytest.mark.parametrize(
    "changes",
    [{"identity": {**IDENTITY, "tokenizer": {"sha256": "cd" * 32}}}, {"views": 2}, {"samples": {"train": 8, "val": 4}}],
    ids=["identity", "views", "samples"],
)
def test_an_edited_manifest_is_refused(folder, changes):
    edit(folder, **changes)
    with pytest.raises(TokenCacheError, match="edited"):
        TokenCache.open(folder)


def test_a_damaged_manifest_is_refused(folder):
    edit(folder, shards=[{"name": "train-view00-000000"}])
    with pytest.raises(TokenCacheError, match="no record of a token shard"):
        TokenCache.open(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(TokenCacheError, match="damaged"):
        TokenCache.open(folder)


@pytest.mark.parametrize("kind", ["tokens", "labels"])
def test_a_file_cut_short_or_lost_is_named(folder, kind):
    path = folder / f"train-view02-000001.{kind}.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TokenCacheError, match=r"1 shards are missing or cut short \(train-view02-000001"):
        TokenCache.open(folder)
    path.unlink()
    with pytest.raises(TokenCacheError, match="train-view02-000001"):
        TokenCache.open(folder)


@pytest.mark.parametrize("kind", ["tokens", "labels"])
def test_verify_finds_a_changed_byte(folder, kind):
    path = folder / f"val-view00-000001.{kind}.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        TokenCacheError, match=rf"1 files are damaged.*\(val-view00-000001\.{kind}\.npy\).*hieramp tokenize"
    ):
        TokenCache.open(folder).verify()


def test_an_array_of_another_type_is_refused_when_it_is_read(folder):
    path = folder / "val-view00-000001.tokens.npy"
    tokens = np.load(path)
    np.save(path, tokens.view(np.int16))  # of the same size
    with pytest.raises(TokenCacheError, match=r"entries int16, expected uint16"):
        TokenCache.open(folder).read("val", [(0, 3)])


def test_an_array_of_another_shape_is_refused_when_it_is_read(folder):
    path = folder / "val-view00-000001.tokens.npy"
    np.save(path, np.load(path).T)  # of the same size
    with pytest.raises(TokenCacheError, match=r"val-view00-000001\.tokens\.npy: shape \(17, 1\), expected \(1, 17\)"):
        TokenCache.open(folder).read("val", [(0, 3)])


@pytest.mark.parametrize(
    "changes",
    [
        {"samples": {"train": 10**15, "val": 4}},
        {"views": 10**15},
        {"samples": {"train": 7.0, "val": 4}},
        {"samples": {"train": True, "val": 4}},
        {"tokens_per_sample": 10**15},
        {"tokens_per_sample": -17},
        {"tokens_per_sample": "17"},
    ],
    ids=str,
)
def test_numbers_that_no_cache_has_are_refused_before_anything_is_listed(folder, changes):
    edit(folder, **changes)
    tracemalloc.start()
    with pytest.raises(TokenCacheError, match=r"edited|damaged"):
        TokenCache.open(folder)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


@pytest.mark.parametrize("content", [None, "[", "[]"])
def test_a_class_list_that_is_lost_or_damaged_is_named(folder, content):
    (folder / "classes.json").unlink()
    if content is not None:
        (folder / "classes.json").write_text(content)
    with pytest.raises(TokenCacheError, match=r"classes\.json cannot be read .*hieramp tokenize"):
        TokenCache.open(folder)
