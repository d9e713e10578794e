import os
import tarfile

import numpy as np
import pytest

from hieramp_lit.classes import load_classes
from hieramp_lit.data.images.reading import UnreadableImageError
from hieramp_lit.data.web import index as web_index
from hieramp_lit.data.web.index import list_shards, open_shards
from hieramp_lit.data.web.labels import LabelMeaning
from hieramp_lit.data.web.shards import Fields, ShardError, find_shards
from tests.data.web.web_sets import picture, write_shards, write_tar
from tests.failing_disk import full_within_a_file

MEANING = LabelMeaning(load_classes("digits"), "row", "cls")


@pytest.fixture
def paths(tmp_path):
    return find_shards(write_shards(tmp_path / "shards"), "train").paths


def source_of(paths, kept=None, fields=Fields()):  # noqa: B008
    return open_shards(paths, list_shards(paths, fields, kept), MEANING)[0]


def content(source):
    return [(source.name(i), source.read(i).getpixel((0, 0)), int(source.labels[i])) for i in range(len(source))]


def test_every_image_is_found_at_its_place(paths):
    found = content(source_of(paths))
    assert [(pixel, label) for _, pixel, label in found] == [((0, n, 20 * (n % 2)), n % 2) for n in range(24)]
    assert found[7][0] == f"{paths[1]}/s00007"


def test_a_kept_index_is_the_same_and_is_used(paths, tmp_path, monkeypatch):
    kept = tmp_path / "deep" / "index.npz"
    first = source_of(paths, kept)
    monkeypatch.setattr(web_index, "_list_one", None)  # looking through them again would fail
    again = source_of(paths, kept)
    assert content(again) == content(first)
    assert again.identity() == first.identity()


@pytest.mark.parametrize("change", ["time", "size", "fields", "damage", "pickle", "columns", "shards"])
def test_an_index_of_other_shards_is_made_anew(paths, tmp_path, change):
    kept, fields = tmp_path / "index.npz", Fields()
    source_of(paths, kept)
    before = kept.read_bytes()
    if change == "time":
        os.utime(paths[0], ns=(1, 1))
    elif change == "size":
        write_tar(paths[0], [("x.png", picture(9, 1)), ("x.cls", b"1")])
    elif change == "fields":
        fields = Fields(image="png")
    elif change == "damage":
        kept.write_bytes(before[: len(before) // 2])
    elif change == "pickle":
        np.savez(kept, about=np.array([{"a": 1}], dtype=object))
    elif change == "columns":
        with np.load(kept) as arrays:
            np.savez(kept, **{**arrays, "size": arrays["size"][:3]})
    else:
        paths = paths[:2]
    source = source_of(paths, kept, fields)
    assert len(source) == {"size": 18, "shards": 12}.get(change, 24)
    assert (kept.read_bytes() == before) == (change in {"damage", "pickle", "columns"})
    assert content(source_of(paths, kept, fields)) == content(source)


def test_only_the_first_process_writes_the_index(paths, tmp_path):
    list_shards(paths, Fields(), tmp_path / "index.npz", write=False)
    assert not (tmp_path / "index.npz").exists()


def test_a_disk_that_fills_up_within_the_index_says_so(paths, tmp_path):
    kept = tmp_path / "kept" / "index.npz"
    with full_within_a_file(300), pytest.raises(OSError, match=r"index=.*File too large.*free: make room"):
        list_shards(paths, Fields(), kept)
    assert not list(kept.parent.iterdir())


def test_identity_has_no_path_and_follows_shards_and_labels(paths, tmp_path):
    identity = source_of(paths).identity()
    elsewhere = find_shards(write_shards(tmp_path / "elsewhere"), "train").paths
    assert source_of(elsewhere).identity() == identity
    assert str(tmp_path) not in str(identity)
    three = find_shards(write_shards(tmp_path / "three", classes=3), "train").paths
    assert source_of(three).identity() != identity
    assert source_of(paths[:3]).identity() != identity


def test_an_unreadable_image_is_named_and_a_changed_shard_is_no_image(paths):
    source = source_of(paths)
    write_tar(paths[0], [("s00000.png", b"no picture" * 99), ("s00000.cls", b"0")])
    with pytest.raises(UnreadableImageError, match=r"train-0000\.tar/s00000"):
        source.read(0)
    os.truncate(paths[1], 600)
    with pytest.raises(ShardError, match="has become shorter"):
        source.read(7)
    paths[2].unlink()
    with pytest.raises(ShardError, match=r"train-0002\.tar/s00012: FileNotFoundError"):
        source.read(12)


@pytest.mark.parametrize("content", [b"", None])
def test_images_of_impossible_size_are_refused_before_they_are_read(tmp_path, content):
    path = write_tar(tmp_path / "a.tar", [("a.png", content or b""), ("a.cls", b"0")])
    if content is None:  # a header that claims 9 GB
        info = tarfile.TarInfo("a.png")
        info.size = 9 * 10**9
        path.write_bytes(info.tobuf() + path.read_bytes()[512:])
    with pytest.raises(ShardError, match=r"a: the image has 0 bytes|cut short"):
        list_shards([path], Fields())
