"""No two runs share a folder."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from lightning.pytorch.utilities import rank_zero_only

from hieramp_lit.callbacks.run_logger import RunLogger, replaced


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


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders of checkpoints of a run of job 1 and a newer one of job 2."""
    for job in "12":
        monkeypatch.setenv("SLURM_JOB_ID", job)
        folder = Path(RunLogger(str(tmp_path)).log_dir, "checkpoints")
        folder.mkdir()
        (folder / "last.ckpt").touch()
    return [tmp_path / f"version_{number}" / "checkpoints" for number in range(2)]


def test_a_job_goes_on_with_its_own_run_unless_asked_for_any(
    tmp_path: Path, checkpoints: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = RunLogger(str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    assert logger.last_checkpoint() == checkpoints[0] / "last.ckpt"
    monkeypatch.setenv("SLURM_JOB_ID", "3")
    assert logger.last_checkpoint() is None
    assert logger.last_checkpoint(of_any_job=True) == checkpoints[1] / "last.ckpt"


def test_a_checkpoint_that_was_being_replaced_is_found_under_its_other_name(
    tmp_path: Path, checkpoints: list[Path]
) -> None:
    last, old = (checkpoints[1] / name for name in ("last.ckpt", replaced("last.ckpt")))
    logger = RunLogger(str(tmp_path))
    old.mkdir()
    assert logger.last_checkpoint() == last
    last.unlink()
    assert logger.last_checkpoint() == old
