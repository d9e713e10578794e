"""`hieramp export` and `hieramp import`, as they are typed."""

from pathlib import Path

import pytest

from hieramp_lit.cli import main
from hieramp_lit.shards import ShardError, ShardSet
from tests.shards.conftest import copy, finished  # noqa: F401 (fixtures)
from tests.shards.test_export import tree
from tests.shards.test_verify import flip_byte


def test_there_and_back_and_there(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    main(["export", str(finished), "--out", str(tmp_path / "first"), "--format", "imagefolder", "--layout", "index"])
    assert "20 images in 10 class folders" in capsys.readouterr().out
    main(["import", str(tmp_path / "first"), "--out", str(tmp_path / "set"), "--generator", "other"])
    out = capsys.readouterr().out
    assert "20 images, 10 classes × 2, imported as 'other'" in out
    assert "20 stored byte for byte, 0 as PNG anew" in out
    assert ShardSet.open(tmp_path / "set").classes == ShardSet.open(finished).classes
    main(["verify", str(tmp_path / "set")])
    main(["export", str(tmp_path / "set"), "--out", str(tmp_path / "second")])
    assert tree(tmp_path / "first") == tree(tmp_path / "second")


def test_resizing_is_told(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    main(["export", str(finished), "--out", str(tmp_path / "first")])
    main(
        ["import", str(tmp_path / "first"), "--out", str(tmp_path / "set"), "--image_size", "4", "--classes", "digits"]
    )
    assert "20 resized to 4 × 4" in capsys.readouterr().out


def test_numbers_without_a_list_are_refused(finished: Path, tmp_path: Path) -> None:  # noqa: F811
    main(["export", str(finished), "--out", str(tmp_path / "first")])
    (tmp_path / "first" / "classes.json").unlink()
    with pytest.raises(ShardError, match=r"names its folders by number .*--classes"):
        main(["import", str(tmp_path / "first"), "--out", str(tmp_path / "set")])


def test_an_imported_set_is_not_generated_again(finished: Path, tmp_path: Path) -> None:  # noqa: F811
    main(["export", str(finished), "--out", str(tmp_path / "first")])
    arguments = ["import", str(tmp_path / "first"), "--out", str(tmp_path / "set"), "--shard_size", "8"]
    main(arguments)
    flip_byte(tmp_path / "set" / "train-000001.tar")
    with pytest.raises(ShardError, match=r"Run the set's `hieramp import` again.*from the folder"):
        main(["verify", str(tmp_path / "set"), "--repair"])
    with pytest.raises(ShardError, match="was imported, no --config makes it"):
        main(["verify", str(tmp_path / "set"), "--repair", "--config", "any.yaml"])
    main(arguments)
    main(["verify", str(tmp_path / "set")])


def test_a_disk_that_fails_is_explained(
    finished: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from hieramp_lit.commands import export

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "export_folder", full)
    with pytest.raises(OSError, match=r"--out=.*No space left.* are free, about \d+ bytes are needed: make room"):
        main(["export", str(finished), "--out", str(tmp_path / "out")])
