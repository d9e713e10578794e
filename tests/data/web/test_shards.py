import io
import tarfile
from contextlib import suppress

import pytest
import webdataset
from hypothesis import given
from hypothesis import strategies as st

from hieramp_lit.data.web.shards import Fields, ShardError, content_of, find_shards, samples_of
from tests.data.web.web_sets import write_shards, write_tar


def read(path, mode="r:"):
    """Key and fields of each sample with their content."""
    with tarfile.open(path, mode) as tar:
        take = lambda field, info: content_of(tar, info, "shard", 1000)  # noqa: E731
        return list(samples_of(tar, "shard", take))


def theirs(path):
    """The same, as webdataset reads it."""
    found = webdataset.WebDataset(str(path), shardshuffle=False)
    return [(s["__key__"], {k: v for k, v in s.items() if not k.startswith("__")}) for s in found]


def test_samples_are_those_that_webdataset_sees(tmp_path):
    members = [
        ("__about__", b"1"),
        ("__about__/a.txt", b"2"),
        ("a/0001.jpg", b"1"),
        ("a/0001.cls", b"2"),
        (".hidden.jpg", b"x"),
        ("b.d/0001.JPG", b"3"),
        ("b.d/0001.seg.png", b"4"),
        ("README", b"no field"),
        ("0002.json", b"{}"),
    ]
    path = write_tar(tmp_path / "a.tar", members)
    expected = [
        ("a/0001", {"jpg": b"1", "cls": b"2"}),
        ("b.d/0001", {"jpg": b"3", "seg.png": b"4"}),
        ("0002", {"json": b"{}"}),
    ]
    assert read(path) == read(path, "r|*") == theirs(path) == expected


@given(st.lists(st.tuples(st.text("ab./", min_size=1, max_size=4), st.sampled_from("xyX")), max_size=8, unique=True))
def test_names_are_split_as_webdataset_splits_them(tmp_path_factory, names):
    members = [(f"k{i}{name}.{field}", b"1") for i, (name, field) in enumerate(names) if "/." not in f"{name}."]
    path = write_tar(tmp_path_factory.mktemp("tar") / "a.tar", members)
    try:
        ours = read(path)
    except ShardError:
        ours = []
    assert ours == [(key, fields) for key, fields in theirs_or_none(path)]


def theirs_or_none(path):
    try:
        return theirs(path)
    except ValueError:  # no samples
        return []


def test_links_and_folders_are_no_samples(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for kind, name in ((tarfile.SYMTYPE, "s.jpg"), (tarfile.LNKTYPE, "l.jpg"), (tarfile.DIRTYPE, "d.jpg")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        info = tarfile.TarInfo("a.jpg")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"1"))
    assert read(tmp_path / "a.tar") == [("a", {"jpg": b"1"})]


@pytest.mark.parametrize("mode", ["r:", "r|*"])
@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a.jpg", b"1"), ("b.jpg", b"2"), ("a.cls", b"3")], "the key 'a' comes twice"),
        ([("a.jpg", b"1"), ("a.JPG", b"2")], "'a' has the field 'jpg' twice"),
        ([("a.jpg", b"1" * 1001)], "has 1001 bytes, more than the 1000"),
        ([], "holds no samples"),
        ([("README", b"1")], "holds no samples"),
    ],
)
def test_what_webdataset_passes_over_is_named(tmp_path, mode, members, message):
    path = write_tar(tmp_path / "a.tar", members)
    with pytest.raises(ShardError, match=f"shard.*{message}"):
        read(path, mode)


@pytest.mark.parametrize("mode", ["r:", "r|*"])
def test_a_shard_that_is_cut_short_anywhere_is_an_error(tmp_path, mode):
    path = write_tar(tmp_path / "a.tar", [(f"{i}.jpg", b"1" * 700) for i in range(3)])
    whole = path.read_bytes()
    for end in range(512, 3 * 1536 + 512, 256):
        path.write_bytes(whole[:end])
        with pytest.raises(ShardError, match=r"shard.* cut short|shard.*cannot be read"):
            read(path, mode)
    path.write_bytes(whole[: 3 * 1536 + 1024])
    assert len(read(path, mode)) == 3


@given(st.binary(max_size=3000), st.integers(0, 4000))
def test_any_bytes_give_samples_or_an_error(tmp_path_factory, noise, place):
    path = write_tar(tmp_path_factory.mktemp("tar") / "a.tar", [(f"{i}.jpg", b"1" * 700) for i in range(3)])
    content = path.read_bytes()
    path.write_bytes(content[:place] + noise + content[place + len(noise) :])
    for mode in ("r:", "r|*"):
        with suppress(ShardError, tarfile.TarError):
            assert all(key and fields for key, fields in read(path, mode))


@pytest.mark.parametrize(
    ("image", "fields", "found"),
    [
        (None, ["jpg", "cls"], "jpg"),
        (None, ["cls", "webp", "json", "tokens.npy"], "webp"),
        ("left.jpg", ["cls", "left.jpg", "jpg"], "left.jpg"),
    ],
)
def test_the_image_is_the_field_of_a_known_kind(image, fields, found):
    assert Fields(image=image).image_field("a", fields) == found


@pytest.mark.parametrize(
    ("image", "fields"),
    [(None, ["5.jpg", "5.cls"]), (None, ["jpg", "png", "cls"]), (None, ["jpg"]), ("jpeg", ["jpg", "cls"])],
)
def test_a_sample_without_image_or_label_is_named_and_dots_explained(image, fields):
    with pytest.raises(
        ShardError, match=r"rho0 has the fields .*data\.image_field.*'cls' \(data\.label_field\)\. Fields begin"
    ):
        Fields(image=image).image_field("rho0", fields)


def test_urls_are_kept_and_braces_expanded(tmp_path):
    root = write_shards(tmp_path / "s")
    found = find_shards(["https://example.org/{a,b}.tar", "pipe:cat x y", f"file:{root}/train-0001.tar"], "data.train")
    assert found.urls == (
        "https://example.org/a.tar",
        "https://example.org/b.tar",
        "pipe:cat x y",
        f"{root}/train-0001.tar",
    )
    assert not found.indexable
    assert find_shards(root, "data.train").indexable
    with pytest.raises(ValueError, match=r"data\.val: .*nothing"):
        find_shards(f"{root}/nothing-{{0..3}}.tar", "data.val")
