"""Ctrl-C, SIGTERM and SIGUSR1 end a run at a step's end; the same command goes on, to the same bits."""

import os
import signal
from pathlib import Path

import pytest
import torch

from hieramp_lit.checkpoints import read_tensors
from tests.devices.accidents import accident, hieramp_on
from tests.shards.making import contents
from tests.tasks.tuning import same


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_fit_stops_after_its_step_and_goes_on_to_the_same_bits(commands, whole, tmp_path, signum):
    run = hieramp_on(tmp_path, *commands["fit"], *accident(tmp_path, "SignalAt", signum=int(signum), step=5))
    assert run.join() == [128 + signum], run.said()
    assert "stopped after step 6. Go on with the same command and --ckpt_path" in run.said()
    assert "Traceback" not in run.said()
    assert not (tmp_path / "weights.safetensors").exists()
    again = hieramp_on(tmp_path, *commands["fit"], "--ckpt_path", "last")
    assert again.join() == [0], again.said()
    assert "version_0/checkpoints/last.ckpt" in again.said()
    assert same(*(read_tensors(folder / "weights.safetensors") for folder in (tmp_path, whole)))


def test_all_ranks_stop_after_the_same_step_though_one_was_told(commands, whole, tmp_path):
    signalled = accident(tmp_path, "SignalAt", signum=int(signal.SIGTERM), step=4, rank=1)
    halves = [*commands["fit"], "--data.batch_size", "2"]  # two ranks take the batches of the whole run
    run = hieramp_on(tmp_path, *halves, *signalled, count=2)
    assert run.join() == [128 + signal.SIGTERM, 0], run.said()
    assert "stopped after step" in run.said(0)
    assert "Traceback" not in run.said()
    again = hieramp_on(tmp_path, *halves, "--ckpt_path", "last", count=2)
    assert again.join() == [0, 0], again.said()
    ours, theirs = (read_tensors(folder / "weights.safetensors") for folder in (tmp_path, whole))
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-3, atol=1e-4, msg=name)


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """The environment of a job, with an `scontrol` that keeps what it was asked."""
    program = tmp_path / "bin" / "scontrol"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    program.chmod(0o755)
    return {"SLURM_JOB_ID": "1234", "PATH": f"{program.parent}:{os.environ['PATH']}"}


def test_slurm_is_asked_to_run_a_fit_again_which_goes_on_with_its_own_run(commands, whole, tmp_path, slurm):
    asked = accident(tmp_path, "SignalAt", signum=int(signal.SIGUSR1), step=5)
    first = [*commands["fit"], "--ckpt_path", "last"]
    run = hieramp_on(tmp_path, *first, *asked, environment=slurm)
    assert run.join() == [128 + signal.SIGUSR1], run.said()
    assert "There is no run to go on from" in run.said()
    assert "Job 1234 is requeued" in run.said()
    assert (tmp_path / "asked").read_text() == "requeue 1234\n"
    stranger = tmp_path / "runs/token_tuning/digits/version_7/checkpoints/last.ckpt"  # another job's, and newer
    stranger.parent.mkdir(parents=True)
    stranger.touch()
    again = hieramp_on(tmp_path, *first, environment=slurm)
    assert again.join() == [0], again.said()
    assert same(*(read_tensors(folder / "weights.safetensors") for folder in (tmp_path, whole)))


def test_all_ranks_end_before_the_first_step_though_one_was_told_and_the_job_is_requeued(commands, tmp_path, slurm):
    asked = accident(tmp_path, "SignalAtStart", signum=int(signal.SIGUSR1), rank=1)
    run = hieramp_on(tmp_path, *commands["fit"], *asked, "--data.batch_size", "2", count=2, environment=slurm)
    assert run.join() == [128 + signal.SIGUSR1, 0], run.said()
    assert "Nothing was done yet: run the same command again. Job 1234 is requeued." in run.said(0)
    assert (tmp_path / "asked").read_text() == "requeue 1234\n"
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_job_that_cannot_be_requeued_is_told(commands, tmp_path):
    asked = accident(tmp_path, "SignalAt", signum=int(signal.SIGUSR1), step=1)
    job = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3", "PATH": str(tmp_path)}
    run = hieramp_on(tmp_path, *commands["fit"], *asked, environment=job)
    assert run.join() == [128 + signal.SIGUSR1], run.said()
    assert "Job 12_3 is not requeued: scontrol cannot be run" in run.said()
    (last,) = tmp_path.rglob("last.ckpt")
    assert f"Submit it again with --ckpt_path {last.relative_to(tmp_path)}." in run.said()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGUSR1])
def test_a_generation_stops_after_its_batch_and_goes_on_to_the_same_bytes(commands, whole, tmp_path, slurm, signum):
    asked = accident(tmp_path, "SignalAt", signum=int(signum), step=4)  # of eight batches, two a shard
    run = hieramp_on(tmp_path, *commands["predict"], *asked, environment=slurm)
    assert run.join() == [128 + signum], run.said()
    assert "Complete shards are kept" in run.said()
    assert len(list((tmp_path / "set").glob("train-*.json"))) == 2
    assert (tmp_path / "asked").is_file() == (signum == signal.SIGUSR1)
    again = hieramp_on(tmp_path, *commands["predict"])
    assert again.join() == [0], again.said()
    assert contents(tmp_path / "set") == contents(whole / "set")
