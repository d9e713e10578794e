"""A checkpoint is whole or as it was before, however its writing ends."""

import errno
import itertools
import os
import resource
import signal
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from hieramp_lit.trainer import WholeCheckpointIO
from hieramp_lit.trainer.checkpoint_files import newest_checkpoint
from tests.tasks.tuning import trainer
from tests.trainer.checkpoint_killing import content, write_and_kill


def step(path: Path) -> float:
    """Which content a checkpoint has; all of it is read."""
    found = torch.load(path, weights_only=True)
    assert torch.equal(found["state_dict"]["weight"], content(found["step"])["state_dict"]["weight"])
    return float(found["step"])


def test_killed_while_writing_leaves_the_old_or_the_new_checkpoint(tmp_path: Path) -> None:
    seen = set()
    for operation in itertools.count():
        path = tmp_path / str(operation) / "last.ckpt"
        WholeCheckpointIO().save_checkpoint(content(1.0), path)
        ended = write_and_kill(path, operation)
        seen.add(step(path))
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
    assert operation >= 2  # opened aside, renamed
    assert seen == {1.0, 2.0}
    WholeCheckpointIO().save_checkpoint(content(3.0), path)  # what was left aside is in nobody's way
    assert step(path) == 3.0


def test_killed_in_the_middle_of_the_file_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    WholeCheckpointIO().save_checkpoint(content(1.0), path)
    assert write_and_kill(path, None) == -signal.SIGKILL
    assert step(path) == 1.0


def test_a_full_disk_says_so_and_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    WholeCheckpointIO().save_checkpoint(content(1.0), path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # the system then refuses to write on
    try:
        with pytest.raises(OSError, match=r"last\.ckpt.*the one before is untouched.*--ckpt_path") as full:
            WholeCheckpointIO().save_checkpoint(content(2.0), path)
        with pytest.raises(OSError, match=r"none of this name before.*from the newest one in this folder"):
            WholeCheckpointIO().save_checkpoint(content(2.0), tmp_path / "step=2.ckpt")
        with pytest.raises(OSError, match=r"none of this name before.*and run the same command again'?$"):
            WholeCheckpointIO().save_checkpoint(content(2.0), tmp_path / "empty" / "last.ckpt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert full.value.errno == errno.EFBIG
    assert step(path) == 1.0
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["last.ckpt"]


def test_the_newest_checkpoint_is_found(tmp_path: Path) -> None:
    run = trainer(ModelCheckpoint(tmp_path))
    assert newest_checkpoint(run) is None
    for age, name in enumerate(["step=4.ckpt", "last.ckpt", "step=2.ckpt"]):
        WholeCheckpointIO().save_checkpoint(content(1.0), tmp_path / name)
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    assert newest_checkpoint(run) == tmp_path / "step=4.ckpt"
