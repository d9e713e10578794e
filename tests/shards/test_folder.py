from pathlib import Path

import pytest

from hieramp_lit.files import write_json
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.folder import check_folder, claim_folder, complete_shards
from hieramp_lit.shards.identity import identity_hash
from hieramp_lit.shards.writer import ShardFile

IDENTITY = {"seed": 0, "sampling": {"cfg": 4.0}}
OTHER = {"seed": 0, "sampling": {"cfg": 2.0}}


def write_shard(folder: Path, shard: int, identity: dict = IDENTITY) -> None:
    file = ShardFile(folder, shard, identity_hash(identity))
    file.add("a", {"png": b"x", "cls": b"0", "json": b"{}"})
    file.commit()


def complete(folder: Path, num_shards: int = 3) -> list[int]:
    return [record.shard for record in complete_shards(folder, num_shards, IDENTITY)]


def test_a_new_folder_is_claimed(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "set"
    check_folder(folder, IDENTITY)
    assert not folder.exists()
    assert claim_folder(folder, IDENTITY, 3) == []
    check_folder(folder, IDENTITY)
    with pytest.raises(ShardError, match=r"sampling\.cfg: folder 4\.0, this run 2\.0"):
        check_folder(folder, OTHER)


def test_a_complete_shard_has_sidecar_and_tar_of_its_size(tmp_path: Path) -> None:
    claim_folder(tmp_path, IDENTITY, 3)
    for shard in range(3):
        write_shard(tmp_path, shard)
    assert complete(tmp_path) == [0, 1, 2]
    assert complete(tmp_path, num_shards=2) == [0, 1]
    (tmp_path / "train-000000.json").unlink()
    (tmp_path / "train-000001.tar").unlink()
    (tmp_path / "train-000002.tar").write_bytes(b"short")
    assert complete(tmp_path) == []


def test_a_sidecar_of_another_number_does_not_count(tmp_path: Path) -> None:
    claim_folder(tmp_path, IDENTITY, 3)
    write_shard(tmp_path, 0)
    (tmp_path / "train-000000.json").rename(tmp_path / "train-000001.json")
    (tmp_path / "train-000000.tar").rename(tmp_path / "train-000001.tar")
    assert complete(tmp_path) == []


def test_a_sidecar_of_another_identity_is_refused(tmp_path: Path) -> None:
    claim_folder(tmp_path, IDENTITY, 3)
    write_shard(tmp_path, 0, OTHER)
    with pytest.raises(ShardError, match=r"train-000000\.json belongs to another configuration"):
        complete(tmp_path)


def test_a_damaged_sidecar_is_named(tmp_path: Path) -> None:
    claim_folder(tmp_path, IDENTITY, 3)
    write_shard(tmp_path, 0)
    (tmp_path / "train-000000.json").write_text("{")
    with pytest.raises(ShardError, match=r"train-000000\.json is no sidecar"):
        complete(tmp_path)


def test_shards_of_unknown_origin_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "train-000000.tar").write_bytes(b"somebody's")
    with pytest.raises(ShardError, match=r"unknown origin \(train-000000\.tar"):
        check_folder(tmp_path, IDENTITY)


def test_shards_whose_sidecars_tell_of_this_set_need_no_manifest(tmp_path: Path) -> None:
    write_shard(tmp_path, 0)
    check_folder(tmp_path, IDENTITY)
    with pytest.raises(ShardError, match="unknown origin"):
        check_folder(tmp_path, OTHER)


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "set").write_text("")
    with pytest.raises(ShardError, match="is a file"):
        check_folder(tmp_path / "set", IDENTITY)


@pytest.mark.parametrize("name", ["manifest.json", ".identity.json"])
def test_damaged_identity_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{")
    with pytest.raises(ShardError, match="is damaged"):
        check_folder(tmp_path, IDENTITY)


def test_sweeps_what_a_killed_run_left_and_nothing_else(tmp_path: Path) -> None:
    ours = [".train-000002.tar.tmp", ".train-000002.json.tmp", ".manifest.json.tmp", ".contact_sheet.png.tmp"]
    theirs = [".notes.txt.tmp", "train-000002.tar.tmp", ".train-2.tar.tmp", "holiday.tar"]
    for name in (*ours, *theirs):
        (tmp_path / name).write_text("")
    claim_folder(tmp_path, IDENTITY, 3)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*theirs, ".identity.json"}


def test_a_finished_set_stays_as_it_is_and_one_that_lost_a_shard_is_being_made_again(copy: Path) -> None:
    from hieramp_lit.shards import Manifest

    identity = Manifest.read(copy).identity
    write_json(copy / ".identity.json", dict(identity))  # a kill between manifest and the claim's removal
    assert len(claim_folder(copy, identity, 4)) == 4
    assert (copy / "manifest.json").exists()
    assert not (copy / ".identity.json").exists()
    (copy / "train-000001.tar").unlink()
    assert len(claim_folder(copy, identity, 4)) == 3
    assert not (copy / "manifest.json").exists()
    check_folder(copy, identity)


@pytest.mark.parametrize("name", ["README.md", "classes.json"])
def test_somebodys_own_files_are_not_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ShardError, match=rf"is no set but has {name}"):
        check_folder(tmp_path, IDENTITY)
    assert (tmp_path / name).read_text() == "mine"
