"""A repaired set is byte for byte the whole one, and no more of it is made again than was damaged."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hieramp_lit.files import write_json
from hieramp_lit.shards import ShardError
from hieramp_lit.shards.lock import FolderLock
from hieramp_lit.shards.repair import repair
from hieramp_lit.shards.verify import find_faults
from tests.shards.making import NoiseGenerator, contents, make_set
from tests.shards.test_verify import TAR, flip_byte, rewrite, swap_labels


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def edit_manifest(folder: Path, **fields: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["shards"][1].update(fields)
    write_json(folder / "manifest.json", manifest)


DAMAGE: dict[str, tuple[Callable[[Path], object], list[int]]] = {
    "a flipped byte": (lambda folder: flip_byte(folder / TAR), [1]),
    "a truncated tar": (lambda folder: cut(folder / "train-000003.tar"), [3]),
    "a lost tar": (lambda folder: (folder / TAR).unlink(), [1]),
    "a lost sidecar": (lambda folder: (folder / "train-000001.json").unlink(), []),
    "a swapped sidecar": (lambda folder: shutil.copy(folder / "train-000000.json", folder / "train-000001.json"), []),
    "swapped labels": (lambda folder: rewrite(folder, swap_labels), [1]),
    "two shards": (lambda folder: [flip_byte(folder / TAR), cut(folder / "train-000000.tar")], [0, 1]),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), []),
    "a damaged manifest": (lambda folder: cut(folder / "manifest.json"), []),
    "a damaged manifest and sidecar": (
        lambda folder: [cut(folder / n) for n in ("manifest.json", "train-000001.json")],
        [1],
    ),
    "a damaged manifest and tar": (lambda folder: [cut(folder / n) for n in ("manifest.json", TAR)], [1]),
    "another checksum in the manifest": (lambda folder: edit_manifest(folder, sha256="0" * 64), []),
    "another key in the manifest": (lambda folder: edit_manifest(folder, first_key="r00000_00000"), []),
    "another size in the manifest": (lambda folder: edit_manifest(folder, bytes=1), []),
    "a manifest and a tar that differ": (lambda folder: [edit_manifest(folder, bytes=1), flip_byte(folder / TAR)], [1]),
    "no classes": (lambda folder: (folder / "classes.json").write_text("["), []),
    "no _info": (lambda folder: (folder / "_info.json").write_text("["), []),
    "no card": (lambda folder: (folder / "README.md").write_bytes(b"\xff"), []),
    "a damaged picture": (lambda folder: flip_byte(folder / "contact_sheet.png"), []),
    "all of the index": (
        lambda folder: [(folder / n).unlink() for n in ("_info.json", "README.md", "classes.json")],
        [],
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_repaired_set_is_the_whole_one_byte_for_byte(finished: Path, copy: Path, damage: str) -> None:
    break_it, shards = DAMAGE[damage]
    break_it(copy)
    faults = list(find_faults(copy))
    assert faults
    done = repair(copy, faults)
    generator = NoiseGenerator()
    if done.needs_command:
        make_set(copy, generator, save_saliency=True)
    made = {(row * 2 + index) // 6 for row, index, _ in generator.made}
    assert made == set(shards) == set(done.shards), (done, faults)
    assert contents(copy) == contents(finished)
    assert not list(find_faults(copy))


@pytest.mark.parametrize(
    "damage",
    [
        *("a lost sidecar", "a swapped sidecar", "no _info", "no card", "a damaged picture"),
        "another checksum in the manifest",
    ],
)
def test_what_follows_from_the_rest_needs_no_generator(finished: Path, copy: Path, damage: str) -> None:
    DAMAGE[damage][0](copy)
    assert not repair(copy, list(find_faults(copy))).needs_command
    assert contents(copy) == contents(finished)


def test_other_files_stay(copy: Path) -> None:
    shutil.copy(copy / TAR, copy / "train-000009.tar")
    flip_byte(copy / TAR)
    assert repair(copy, list(find_faults(copy))).removed == ("train-000001.json", TAR)
    assert (copy / "train-000009.tar").is_file()
    make_set(copy, save_saliency=True)
    assert [fault.kind for fault in find_faults(copy)] == ["foreign"]


def test_nothing_is_removed_where_nothing_says_whose_it_is(tmp_path: Path) -> None:
    (tmp_path / "train-000000.tar").write_bytes(b"somebody's")
    with pytest.raises(ShardError, match="tells whose set this is"):
        repair(tmp_path, list(find_faults(tmp_path)))
    assert contents(tmp_path) == {"train-000000.tar": b"somebody's"}


def test_in_an_empty_folder_all_is_left_to_make(tmp_path: Path) -> None:
    done = repair(tmp_path, list(find_faults(tmp_path)))
    assert done == ((), (), (), True)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("name", ["manifest.json", "train-000000.json"])
def test_a_file_of_the_index_or_a_sidecar_alone_is_not_removed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("somebody's")
    with pytest.raises(ShardError, match="tells whose set this is"):
        repair(tmp_path, list(find_faults(tmp_path)))
    assert contents(tmp_path) == {name: b"somebody's"}


def test_nothing_is_removed_for_the_manifest_of_another_set(copy: Path, tmp_path: Path) -> None:
    other = make_set(tmp_path / "other", NoiseGenerator(2.0), save_saliency=True)
    for name in ("manifest.json", "README.md"):
        shutil.copy(other.path / name, copy / name)
    before = contents(copy)
    with pytest.raises(ShardError, match=r"manifest\.json is of another set than all shards"):
        repair(copy, list(find_faults(copy)))
    assert contents(copy) == before


def test_a_set_that_is_being_written_is_left_alone(copy: Path) -> None:
    flip_byte(copy / TAR)
    faults = list(find_faults(copy))
    lock = FolderLock(copy, first=True)
    with pytest.raises(ShardError, match=r"SET=.* is being written by another command"):
        repair(copy, faults)
    lock.release()
    assert (copy / TAR).is_file()
