"""No two runs share a folder."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from lightning.pytorch.utilities import rank_zero_only

from hieramp_lit.callbacks.run_logger import RunLogger


def test_runs_that_start_together_have_folders_of_their_own(tmp_path: Path) -> None:
    runs = 8
    together = Barrier(runs)

    def start(_: int) -> str:
        logger = RunLogger(str(tmp_path), "student/digits")
        together.wait()
        return logger.log_dir

    with ThreadPoolExecutor(runs) as pool:
        folders = list(pool.map(start, range(runs)))
    assert sorted(folders) == [str(tmp_path / f"student/digits/version_{number}") for number in range(runs)]
    assert all(Path(folder).is_dir() for folder in folders)


def test_a_run_keeps_its_folder_and_writes_there(tmp_path: Path) -> None:
    logger = RunLogger(str(tmp_path))
    before = logger.log_dir
    logger.log_metrics({"val/top1": 0.5}, step=3)
    logger.save()
    assert logger.log_dir == before == str(tmp_path / "version_0")
    assert (tmp_path / "version_0" / "metrics.csv").read_text().splitlines() == ["step,val/top1", "3,0.5"]


def test_a_given_version_is_continued(tmp_path: Path) -> None:
    assert [RunLogger(str(tmp_path), version="mine").log_dir for _ in range(2)] == [str(tmp_path / "mine")] * 2


def test_other_ranks_make_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "version_0").mkdir()
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    assert RunLogger(str(tmp_path)).version == 1
    assert [folder.name for folder in tmp_path.iterdir()] == ["version_0"]
