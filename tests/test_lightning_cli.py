"""What the Lightning commands do about SLURM jobs, and what ``--ckpt_path last`` goes on from."""

import os
import signal
from pathlib import Path

import pytest
import torch

from hieramp_lit.callbacks.run_logger import JOB
from hieramp_lit.cli import main
from hieramp_lit.jobs import RunStoppedError
from tests.test_cli import Knob, Numbers, config  # noqa: F401

pytestmark = pytest.mark.filterwarnings(
    "ignore:The dirpath has changed",  # each run has its own folder
    "ignore:Experiment logs directory",  # which holds the job's number from the start
    "ignore:The `srun` command is available",
)


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A job of one task under `srun`; the file that keeps what `scontrol` was asked."""
    one = dict.fromkeys(("SLURM_NTASKS", "SLURM_NTASKS_PER_NODE", "SLURM_NNODES", "SLURM_JOB_NUM_NODES"), "1")
    none = dict.fromkeys(("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID"), "0")
    names = {"SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "tune", "SLURM_NODELIST": "localhost"}
    program = tmp_path / "bin" / "scontrol"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    program.chmod(0o755)
    for name, value in {**one, **none, **names, "PATH": f"{program.parent}:{os.environ['PATH']}"}.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "asked"


@pytest.fixture
def run(config: str) -> Path:  # noqa: F811
    """The folder of checkpoints of a run of one step."""
    save = ["--trainer.callbacks+", "ModelCheckpoint", "--trainer.callbacks.save_last", "true"]
    main(["fit", "--config", config, *save])
    Knob.seen.clear()
    return Path("runs/version_0/checkpoints").resolve()


@pytest.mark.parametrize("command", ["fit", "predict"])
def test_a_job_that_is_told_before_it_starts_is_requeued_once(
    config: str,  # noqa: F811
    slurm: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    if command == "fit":
        own = Numbers.train_dataloader

        def told(data: Numbers) -> object:  # is asked for once Lightning has set up its signals
            os.kill(os.getpid(), signal.SIGUSR1)
            return own(data)

        monkeypatch.setattr(Numbers, "train_dataloader", told)
    else:
        monkeypatch.setattr(Knob, "setup", lambda self, stage: os.kill(os.getpid(), signal.SIGUSR1))
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with pytest.raises(RunStoppedError, match=r"SIGUSR1: stopped\. Nothing was done yet.* Job 77 is requeued\."):
            main([command, "--config", config])
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert slurm.read_text() == "requeue 77\n"
    assert not list(Path().rglob("*.ckpt"))


@pytest.mark.parametrize("last", [[], ["--ckpt_path", "last"]])
def test_a_checkpoint_that_lightning_left_in_the_folder_is_never_begun_with(
    config: str,  # noqa: F811
    run: Path,
    slurm: Path,
    last: list[str],
) -> None:
    Path("hpc_ckpt_3.ckpt").write_bytes((run / "last.ckpt").read_bytes())
    with pytest.raises(ValueError, match=r"hpc_ckpt_3\.ckpt: in a SLURM job Lightning would silently begin with"):
        main(["fit", "--config", config, *last])
    assert not Knob.seen
    main(["fit", "--config", config, "--ckpt_path", "hpc_ckpt_3.ckpt", "--trainer.max_steps", "2"])
    assert len(Knob.seen) == 1  # what is asked for by name is the user's choice


@pytest.mark.parametrize("bytes_left", [0, 500, -10])
def test_a_damaged_last_checkpoint_names_those_beside_it(
    config: str,  # noqa: F811
    run: Path,
    bytes_left: int,
) -> None:
    (run / "last.ckpt").write_bytes((run / "last.ckpt").read_bytes()[:bytes_left])
    (other,) = run.glob("epoch*.ckpt")
    with pytest.raises(ValueError, match=r"last\.ckpt: cannot be read as a checkpoint.*damaged, cut short") as refused:
        main(["fit", "--config", config, "--ckpt_path", "last"])
    assert f"Beside it, newest first: {other.name}." in str(refused.value)
    assert not Knob.seen


@pytest.mark.usefixtures("slurm")
def test_a_job_that_starts_anew_names_the_newest_run_of_another(
    config: str,  # noqa: F811
    run: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (run.parent / JOB).write_text("76")
    main(["fit", "--config", config, "--ckpt_path", "last"])
    said = next(line for line in caplog.messages if "starting anew" in line)
    assert said.endswith("--ckpt_path runs/version_0/checkpoints/last.ckpt")
    assert torch.load(run / "last.ckpt", weights_only=True)["global_step"] == 1
