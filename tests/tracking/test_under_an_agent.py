"""A trial of a shipped sweep file, started as W&B's agent starts it, offline, with tiny weights."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from hieramp_lit.cli import main
from tests.tracking.run_file import only_run

ROOT = Path(__file__).parents[2]
SWEEP = ROOT / "sweeps/digits/table3_stage_rho_beta.yaml"
AMPLIFICATION = {"beta": 7, "rho": 0.5, "stages": ["mid"]}


def as_an_agent(sweep: Path, parameters: dict[str, Any], *more: str) -> subprocess.CompletedProcess[str]:
    """Do what `_command_run` of wandb/wandb_agent.py does: the parameters as files, the macros of the command.

    Args:
        sweep: The sweep's file.
        parameters: What the server gives the trial.
        more: Arguments after those of the file.
    """
    content = yaml.safe_load(sweep.read_text())
    given = {name: {"value": value} for name, value in parameters.items()}
    folder = Path("agent/wandb/sweep-sw1")
    folder.mkdir(parents=True)
    (folder / "config-abcd1234.yaml").write_text(yaml.safe_dump({"wandb_version": 1, **given}))
    words = create_sweep_command_args({"args": given})
    (folder / "config-abcd1234.json").write_text(words["args_json"][0])
    macros = {
        "${env}": ["/usr/bin/env"],
        "${program}": [content["program"]],
        "${args_json_file}": [str(folder / "config-abcd1234.json")],
    }
    command = [word for part in create_sweep_command(content["command"]) for word in macros.get(part, [part])]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "WANDB_DIR": "agent",
        "WANDB_MODE": "offline",
        "WANDB_PROJECT": "the_sweeps",
        "WANDB_ENTITY": "lab",
        "WANDB_SWEEP_ID": "sw1",
        "WANDB_RUN_ID": "abcd1234",
        "WANDB_SWEEP_PARAM_PATH": str(folder / "config-abcd1234.yaml"),
    }
    return subprocess.run([*command, *more], env=environment, capture_output=True, text=True, timeout=840)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_agents_run_holds_the_whole_trial(
    tiny_tokenizer: Path, tiny_var: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("configs", "tests"):
        Path(name).symlink_to(ROOT / name)
    done = as_an_agent(
        SWEEP,
        {"generate.model.amplification": AMPLIFICATION},
        "--store=store",
        "--tune=null",
        "--off=null",
        "--inspect=null",
        "--real=null",
        "--generate.config=[configs/generate/digits.yaml, tests/tiny/generate.yaml]",
        f"--generate.model.checkpoint={tiny_var}",
        f"--generate.model.tokenizer.checkpoint={tiny_tokenizer}",
        "--students.config=[configs/student/digits.yaml, tests/tiny/student.yaml]",
        "--students.seeds=[3, 5]",
        "--wandb.log_artifacts=true",
        "--out=out",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = only_run(Path.cwd())  # so the stages made no run of their own
    assert (found.run.run_id, found.run.sweep_id, found.run.project) == ("abcd1234", "sw1", "the_sweeps")
    assert found.config["generate.model.amplification"] == AMPLIFICATION
    assert found.config["students.seeds"] == [3, 5]
    assert found.config["generate.model.checkpoint"] == str(tiny_var)

    numbers = json.loads(Path("out/summary.json").read_text())
    assert {"student/top1_last", "student/top1_best_std_sample", "student/n", "seconds/generate"} <= set(numbers)
    assert {name: found.summary[name] for name in numbers} == pytest.approx(numbers)
    schedule = {name: numbers[name] for name in ("beta/coarse", "beta/mid", "beta/fine", "rho/mid", "rho/02")}
    assert schedule == {"beta/coarse": 0, "beta/mid": 7, "beta/fine": 0, "rho/mid": 0.5, "rho/02": 0.5}

    curve = [row for row in found.history if "curves/epoch" in row]
    assert [row["curves/epoch"] for row in curve] == [0, 1]
    cell = json.loads(Path("out/result.json").read_text())
    last = {run["student_seed"]: run["last"]["top1"] for run in cell["per_seed"]}
    assert {seed: curve[-1][f"curves/seed-{seed}/val/top1"] for seed in last} == pytest.approx(last, abs=1e-6)
    assert curve[-1]["curves/mean/val/top1"] == pytest.approx(numbers["student/top1_last"], abs=1e-6)

    parts = {name.rpartition("/")[::2] for name in found.summary}
    media = {title: {part: found.summary[f"{title}/{part}"] for owner, part in parts if owner == title}
             for title in ("contact_sheet", "student/seeds", "schedule")}  # fmt: skip
    sheet = Path(cell["trial"]["stages"]["generate"]["folder"], "contact_sheet.png")
    assert found.media(media["contact_sheet"]) == sheet.read_bytes()
    assert Image.open(io.BytesIO(found.media(media["contact_sheet"]))).width > 0
    assert [row[0] for row in json.loads(found.media(media["student/seeds"]))["data"]] == [3, 5]
    assert json.loads(found.media(media["schedule"]))["data"][2][1:] == [7, 0.5]
    assert [artifact.type for artifact in found.artifacts if artifact.type != "run_table"] == [
        "model",
        "dataset",
        "result",
    ]
    assert found.exit_code == 0

    main(["tables", "out"])
    shown = capsys.readouterr().out
    assert "Table 3" in shown
    assert "mid 7 50%" in shown
