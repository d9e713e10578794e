import errno
import json
import tarfile
from pathlib import Path

import pytest

from hieramp_lit.files import sha256
from hieramp_lit.shards.writer import ShardFile, ShardRecord

FIELDS = {"png": b"x" * 1000, "cls": b"0", "json": b"{}"}


def write(folder: Path, keys: list[str], shard: int = 0) -> ShardRecord:
    file = ShardFile(folder, shard, "id")
    for key in keys:
        file.add(key, FIELDS)
    return file.commit()


def test_sidecar_tells_the_truth(tmp_path: Path) -> None:
    record = write(tmp_path, ["a", "b", "c"], shard=3)
    tar = tmp_path / "train-000003.tar"
    assert record == ShardRecord(3, 3, tar.stat().st_size, sha256(tar), "a", "c", "id")
    assert ShardRecord.from_json(json.loads((tmp_path / "train-000003.json").read_text()), "file") == record
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train-000003.json", "train-000003.tar"]


def test_bytes_depend_on_the_samples_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write(tmp_path / "a", ["a", "b"])
    monkeypatch.setattr("time.time", lambda: 1e9)
    assert write(tmp_path / "b", ["a", "b"]).sha256 == first.sha256
    with tarfile.open(tmp_path / "a" / "train-000000.tar") as tar:
        members = tar.getmembers()
    assert {member.mtime for member in members} == {0}
    assert [member.name for member in members] == [f"{key}.{name}" for key in "ab" for name in sorted(FIELDS)]


def test_nothing_is_visible_before_commit(tmp_path: Path) -> None:
    file = ShardFile(tmp_path, 0, "id")
    file.add("a", FIELDS)
    assert not list(tmp_path.glob("train-*"))
    file.abort()
    assert not list(tmp_path.iterdir())


def test_abort_after_commit_is_harmless(tmp_path: Path) -> None:
    file = ShardFile(tmp_path, 0, "id")
    file.add("a", FIELDS)
    file.commit()
    file.abort()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_shard_made_again_loses_its_sidecar_first(tmp_path: Path) -> None:
    write(tmp_path, ["a"])
    file = ShardFile(tmp_path, 0, "id")
    assert not (tmp_path / "train-000000.json").exists()
    file.abort()


def test_empty_and_repeated_samples_are_refused(tmp_path: Path) -> None:
    file = ShardFile(tmp_path, 0, "id")
    with pytest.raises(ValueError, match="at least one sample"):
        file.commit()
    file.add("a", FIELDS)
    with pytest.raises(ValueError, match=r"train-000000\.tar: sample a comes twice"):
        file.add("a", FIELDS)
    file.abort()


@pytest.mark.parametrize("moment", ["add", "commit"])
def test_full_disk_leaves_no_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    file = ShardFile(tmp_path, 0, "id")
    file.add("a", FIELDS)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if moment == "add":
        monkeypatch.setattr(file._tar.tarstream, "addfile", full)
        with pytest.raises(OSError, match="No space"):
            file.add("b", FIELDS)
    else:
        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            file.commit()
    file.abort()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "value", [[], {"shard": 0}, {**ShardRecord(0, 1, 1, "a", "b", "c", "d").to_json(), "shard": "0"}]
)
def test_damaged_records_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="sidecar"):
        ShardRecord.from_json(value, "sidecar")
