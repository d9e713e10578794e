"""Whatever bytes a token cache consists of, reading it is a TokenCacheError that names the file, or valid data."""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hieramp_lit.classes import load_classes
from hieramp_lit.data.tokens.cache import TokenCache, TokenCacheError
from hieramp_lit.data.tokens.folder import check_folder, claim_folder, complete_shards, finish_cache, write_shard
from tests.data.tokens.test_cache import IDENTITY, LAYOUT, stored
from tests.fuzzing import FUZZ, damaged, other_json

NAME = "val-view00-000001"
PLACES = [(0, 0), (0, 3), (0, 1)]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound cache, and a copy to break."""
    root = tmp_path_factory.mktemp("token_fuzz")
    (root / "sound").mkdir()
    records = [write_shard(root / "sound", shard, *stored(shard), IDENTITY) for shard in LAYOUT.shards]
    finish_cache(root / "sound", IDENTITY, LAYOUT, 17, load_classes("digits"), records)
    shutil.copytree(root / "sound", root / "cache")
    return root


@pytest.mark.parametrize("name", ["manifest.json", "classes.json"])
@given(data=st.data())
@FUZZ
def test_any_index_gives_the_right_tokens_or_an_error(work: Path, name: str, data: st.DataObject) -> None:
    content = (work / "sound" / name).read_bytes()
    (work / "cache" / name).write_bytes(data.draw(damaged(content) | other_json(json.loads(content))))
    refusal = None
    try:
        cache = TokenCache.open(work / "cache")
        tokens, labels = cache.read("val", PLACES)
    except TokenCacheError as error:
        refusal = str(error)
    finally:
        (work / "cache" / name).write_bytes(content)
    if refusal is not None:
        assert str(work / "cache") in refusal
        return
    expected = TokenCache.open(work / "sound").read("val", PLACES)
    assert np.array_equal(tokens, expected[0])
    assert np.array_equal(labels, expected[1])


@pytest.mark.parametrize("kind", ["tokens", "labels"])
@given(data=st.data())
@FUZZ
def test_any_array_is_read_or_refused_by_name(work: Path, kind: str, data: st.DataObject) -> None:
    path = work / "cache" / f"{NAME}.{kind}.npy"
    content = path.read_bytes()
    path.write_bytes(data.draw(damaged(content)))
    refusal = None
    try:
        tokens, labels = TokenCache.open(work / "cache").read("val", PLACES)
    except TokenCacheError as error:
        refusal = str(error)
    finally:
        path.unlink()  # the map of the damaged file may still be open
        path.write_bytes(content)
    if refusal is not None:
        assert NAME in refusal
        return
    assert (tokens.shape, labels.shape) == ((3, 17), (3,))


@pytest.mark.parametrize("name", [f"{NAME}.json", "manifest.json", "classes.json", ".identity.json"])
@given(data=st.data())
@FUZZ
def test_any_folder_is_carried_on_or_refused(work: Path, name: str, data: st.DataObject) -> None:
    content = b"{}" if name.startswith(".") else (work / "sound" / name).read_bytes()
    change = data.draw(damaged(content) | other_json(json.loads(content)))
    folder = work / "broken"
    shutil.copytree(work / "sound", folder)
    if name.startswith("."):
        (folder / "manifest.json").unlink()
    (folder / name).write_bytes(change)
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # of files that are made anew
            check_folder(folder, IDENTITY)
            claim_folder(folder, IDENTITY, LAYOUT)
        records = complete_shards(folder, IDENTITY, LAYOUT)
    except TokenCacheError:
        return
    finally:
        shutil.rmtree(folder)
    assert len(records) >= len(LAYOUT.shards) - 1
