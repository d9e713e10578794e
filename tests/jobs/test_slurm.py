"""The SLURM scripts are sound shell, ask for what the overlays say, and start commands that parse."""

import os
import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from hieramp_lit.cli import main
from hieramp_lit.jobs import job_id, requeue

ROOT = Path(__file__).parents[2]
SCRIPTS = {path.stem: path for path in sorted(ROOT.glob("configs/slurm/*.sh"))}
ARGUMENTS = {
    "tune": ["configs/token_tuning/folder.yaml"],
    "tokenize": ["configs/tokenize/folder.yaml"],
    "predict": ["configs/generate/folder.yaml"],
    "students": ["configs/student/folder.yaml", "sets/mine", "runs/mine_cell"],
}


def options(script: Path) -> dict[str, str]:
    """What a script asks SLURM for."""
    lines = re.findall(r"^#SBATCH --(\S+)$", script.read_text(), flags=re.MULTILINE)
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def started(script: Path, folder: Path, *arguments: str) -> list[str]:
    """What the script starts on every task, found by running it with an `srun` that only tells."""
    srun = folder / "srun"
    srun.write_text(f'#!/bin/sh\nfor word in "$@"; do echo "$word"; done > {folder}/words\n')
    srun.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "SLURM_JOB_NUM_NODES": "1", "SLURM_JOB_ID": "7"}
    subprocess.run(["bash", str(script), *arguments], cwd=ROOT, env=environment, check=True)
    words = (folder / "words").read_text().splitlines()
    return words[words.index("hieramp") + 1 :]


def test_there_is_a_script_for_every_stage() -> None:
    assert set(SCRIPTS) == set(ARGUMENTS)


@pytest.mark.parametrize("name", SCRIPTS)
class TestEveryScript:
    def test_is_sound_shell_and_says_first_what_it_does(self, name: str) -> None:
        text = SCRIPTS[name].read_text()
        subprocess.run(["bash", "-n", str(SCRIPTS[name])], check=True)
        assert text.startswith("#!/bin/bash\n# ")
        assert "set -euo pipefail" in text

    def test_goes_back_into_the_queue_in_time(self, name: str) -> None:
        asked = options(SCRIPTS[name])
        assert asked["signal"] == "USR1@300"
        assert "requeue" in asked
        assert asked["open-mode"] == "append"

    def test_starts_a_command_that_parses(self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        command = started(SCRIPTS[name], tmp_path, *ARGUMENTS[name], "--trainer.log_every_n_steps", "3")
        if name == "students":
            at = command.index("--config")
            assert command[:at] == ["students", "--seeds", "0", "1", "2", "--out", "runs/mine_cell"]
            command = ["fit", *command[at:]]
        command = [str(ROOT / word) if word.startswith("configs/") else word for word in command]
        with pytest.raises(SystemExit) as stop:
            main([*command, "--print_config"])
        shown = capsys.readouterr()
        assert stop.value.code == 0, shown.err
        resolved = yaml.safe_load("\n".join(line for line in shown.out.splitlines() if not line.startswith("#")))
        trainer, asked = resolved["trainer"], options(SCRIPTS[name])
        assert trainer["accelerator"] == "gpu"
        assert trainer["log_every_n_steps"] == 3  # what is typed comes last
        assert (trainer["devices"], trainer["num_nodes"]) == (int(asked["ntasks-per-node"]), int(asked["nodes"]))
        assert asked["gpus-per-node"] == asked["ntasks-per-node"]
        assert resolved.get("ckpt_path") == ("last" if name == "tune" else None)

    def test_says_how_it_is_used(self, name: str) -> None:
        asked = subprocess.run(["bash", str(SCRIPTS[name])], capture_output=True, text=True, check=False)
        assert asked.returncode != 0
        assert f"usage: sbatch configs/slurm/{name}.sh CONFIG.yaml" in asked.stderr


def test_jobs_outside_and_inside_of_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    assert job_id() is None
    assert requeue() == ""
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert job_id() == "17"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "16")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    assert job_id() == "16_2"
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2; rm -rf /")
    assert job_id() is None


def test_a_refusal_of_scontrol_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "scontrol"
    program.write_text("#!/bin/sh\necho 'Job is not requeueable' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert requeue() == "Job 17 is not requeued: scontrol says 'Job is not requeueable'. Submit it again."
    assert requeue("a/last.ckpt").endswith("'Job is not requeueable'. Submit it again with --ckpt_path a/last.ckpt.")


def test_a_tuning_that_is_submitted_anew_can_be_told_what_to_go_on_from(tmp_path: Path) -> None:
    assert "--ckpt_path" in SCRIPTS["tune"].read_text().partition("#SBATCH")[0]
    words = started(SCRIPTS["tune"], tmp_path, *ARGUMENTS["tune"], "--ckpt_path", "runs/mine/last.ckpt")
    given = [value for name, value in pairwise(words) if name == "--ckpt_path"]
    assert given == ["last", "runs/mine/last.ckpt"]  # the later one counts
