"""A folder for every run, also for runs that start at the same moment."""

from pathlib import Path

from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only

from hieramp_lit.files import write_text
from hieramp_lit.jobs import job_id

LAST = "last.ckpt"
"""Under this name ``save_last: true`` and a stopped run leave their checkpoint."""
JOB = "slurm_job"
"""File of a run's folder: the SLURM job that it belongs to."""


class RunLogger(CSVLogger):
    """Lightning's CSV logger (``metrics.csv``) whose version folder belongs to one run alone.

    `CSVLogger` looks for the next free number and makes the folder later; students trained side by side, or trials of
    a sweep, then share a folder and delete each other's metrics. Here looking and making are one step.

    Args:
        save_dir: Folder of all runs.
        name: Folder of this experiment within it, e.g. ``student/digits``; empty for none.
        version: Name of the run's folder, for continuing in it. Null: ``version_0``, ``version_1``, …
    """

    def __init__(self, save_dir: str = "runs", name: str = "", version: str | None = None) -> None:
        super().__init__(save_dir, name, version)
        self._folder: int | str | None = version

    @property
    def version(self) -> int | str:
        """This run's number, or the version that was given; making the folder on first use, on rank zero."""
        if self._folder is None:
            self._folder = self._claim()
        return self._folder

    def last_checkpoint(self, *, of_any_job: bool = False) -> Path | None:
        """``checkpoints/last.ckpt`` of the newest run of this experiment that has one; None without.

        In a SLURM job only runs of this job count: put back into the queue, it goes on with its own, and finds none
        when it starts for the first time.

        Args:
            of_any_job: Whether runs of other jobs, and of none, count too.
        """
        job = None if of_any_job else job_id()
        runs = [(_number(path), path) for path in Path(self.root_dir).glob("version_*") if _number(path) >= 0]
        for _, run in sorted(runs, reverse=True):
            if job is not None and _job_of(run) != job:
                continue
            for name in (LAST, replaced(LAST)):
                if (run / "checkpoints" / name).exists():
                    return run / "checkpoints" / name
        return None

    def _claim(self) -> int:
        number = 0
        while not _take(Path(self.root_dir, f"version_{number}")):
            number += 1
        return number


def replaced(name: str) -> str:
    """Under which name a checkpoint that is a folder lies while a newer one takes its place."""
    return f".{name}.old"


def _take(folder: Path) -> bool:
    made = _make(folder)
    # None on other ranks, which may guess: where it matters, Lightning sends rank zero's folder to all.
    return not folder.exists() if made is None else made


@rank_zero_only
def _make(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return False
    job = job_id()
    if job is not None:
        write_text(folder / JOB, job)
    return True


def _number(run: Path) -> int:
    number = run.name.removeprefix("version_")
    return int(number) if number.isdigit() else -1


def _job_of(run: Path) -> str | None:
    return (run / JOB).read_text() if (run / JOB).is_file() else None
