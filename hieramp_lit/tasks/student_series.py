"""Students one after the other in one process: the banks and the teacher of the first serve all."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.loggers import WandbLogger

from hieramp_lit.callbacks.student_results import StudentResults
from hieramp_lit.report.results import Result
from hieramp_lit.tasks.relabel_training import RelabelTraining
from hieramp_lit.tasks.teaching import Teaching


class StudentRun(NamedTuple):
    """One student to train.

    Attributes:
        task: A fresh task.
        trainer: A fresh Trainer.
        resume: Checkpoint of this student to go on from.
    """

    task: RelabelTraining
    trainer: Trainer
    resume: str | None = None


def fit_in_turn(runs: Iterable[StudentRun], data: LightningDataModule) -> Iterator[Result]:
    """Train students on the same data; each result is that of the same fit by itself.

    What is shared are objects: the data module, which keeps its decoded banks, and the loaded and measured teacher.

    Args:
        runs: Students, all with the same teacher; taken one by one, so that they may be built when their turn comes.
        data: For all of them.

    Yields:
        What each writes to its ``result.json``.

    Raises:
        ValueError: If a student asks for another teacher than the first or for several devices, or was never evaluated.
    """
    teaching: Teaching | None = None
    for task, trainer, resume in runs:
        if trainer.world_size > 1:
            raise ValueError(
                f"trainer.devices gives {trainer.world_size} devices, and students in one process train on one: set "
                "trainer.devices: 1, and run other seeds on other devices."
            )
        if teaching is not None:
            task.adopt(teaching)
        trainer.fit(task, datamodule=data, ckpt_path=resume)
        teaching = task.teaching
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.finish()  # else the next student's numbers go on in this one's run
        yield _result(trainer)


def _result(trainer: Trainer) -> Result:
    written = [callback.result for callback in trainer.callbacks if isinstance(callback, StudentResults)]  # type: ignore[attr-defined]
    if not written or written[0] is None:
        raise ValueError(
            "The student was never evaluated, so it has no result: lower trainer.check_val_every_n_epoch, and leave "
            "trainer.limit_val_batches above 0."
        )
    return written[0]
