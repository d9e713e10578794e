"""Trials of a shipped sweep, run by `hieramp distill` on tiny weights: without a server, and by W&B's own agent."""

import csv
import json
import os
import sys
from pathlib import Path

import pytest
import torch
import yaml
from wandb.wandb_agent import Agent

from hieramp_lit.checkpoints import save
from hieramp_lit.cli import main
from hieramp_lit.seeds import stream
from hieramp_lit.shards import ShardSet
from hieramp_lit.sweeps import TrialFolder, expand, read_sweep_file
from hieramp_lit.var import VARArchitecture
from tests.conftest import TINY_PATCH_NUMS
from tests.sweeps.shipped import ROOT
from tests.tracking.run_file import only_run

IMPOSSIBLE = {"beta": 5, "rho": 1.5, "stages": ["coarse"]}


@pytest.fixture
def lively_var(tmp_path: Path) -> Path:
    """As `tiny_var`, but with weights so large that attention decides tokens."""
    var = VARArchitecture(
        patch_nums=TINY_PATCH_NUMS, vocab_size=16, z_channels=4, depth=2, embed_dim=16, num_heads=2, num_classes=10
    ).build()
    with torch.no_grad():
        for parameter in var.parameters():
            parameter.normal_(std=0.5, generator=stream("lively_var", parameter.numel()))
    path = tmp_path / "var.safetensors"
    save(path, var.state_dict())
    return path


@pytest.fixture
def tiny_sweep(tmp_path: Path, tiny_tokenizer: Path, lively_var: Path) -> Path:
    """Table 3 with an impossible trial instead of its first, by the file's own command on tiny weights."""
    trial = {
        "name": "tiny",
        "store": str(tmp_path / "store"),
        "tune": None,
        "generate": {
            "config": [
                *(str(ROOT / name) for name in ("configs/generate/digits.yaml", "tests/tiny/generate.yaml")),
                str(tmp_path / "nested.yaml"),
            ],
            "model.checkpoint": str(lively_var),
            "model.tokenizer.checkpoint": str(tiny_tokenizer),
            "model.sampling.top_k": 16,
        },
        "real": None,
        "students": None,
        "inspect": None,
        "wandb": None,
    }
    (tmp_path / "nested.yaml").write_text("data: {init_args: {seed: 0}}")
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(trial))
    sweep = yaml.safe_load((ROOT / "sweeps/digits/table3_stage_rho_beta.yaml").read_text())
    (parameter,) = sweep["parameters"]
    sweep["parameters"][parameter]["values"][0] = IMPOSSIBLE
    sweep["command"][sweep["command"].index("configs/distill/digits.yaml")] = str(tmp_path / "tiny.yaml")
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(sweep, sort_keys=False))
    return tmp_path / "sweep.yaml"


def tokens(trial: Path) -> list[bytes]:
    """Of every image of the trial's set."""
    result = json.loads((trial / "result.json").read_text())
    shards = ShardSet.open(Path(result["trial"]["stages"]["generate"]["folder"]))
    return [sample.tokens.tobytes() for sample in shards]


@pytest.mark.slow
def test_trials_without_a_server_and_under_an_agent(
    tiny_sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del os.environ["WANDB_MODE"]
    with pytest.raises(SystemExit):
        main(["sweep", "run", str(tiny_sweep), "--out", "out", "--no-report", "--workers", "2", "--index", "0", "2"])
    impossible, coarse, mid = expand(read_sweep_file(tiny_sweep), 3)
    refused, done = (TrialFolder(Path("out"), trial) for trial in (impossible, mid))
    assert refused.outcome().status == "refused"
    assert "generate.model.amplification.rho=1.5" in refused.outcome().reason
    assert done.outcome().status == "done"
    with Path("out/sweep.csv").open() as file:
        row = list(csv.DictReader(file))[2]
    assert [row[name] for name in ("beta/coarse", "beta/mid", "rho/coarse", "rho/mid")] == ["0.0", "5.0", "0.0", "0.3"]
    assert not list(Path("out").rglob("*.wandb"))

    # It is done as long as no file that its configuration leads to says something else.
    nested, done_before = tmp_path / "nested.yaml", "done before: "
    seeds = nested.read_text()
    for text, label in (
        (seeds, done_before),
        (f"# seeds of sets\n{seeds}", done_before),
        (seeds.replace("0", "1"), "$ "),
    ):
        nested.write_text(text)
        capsys.readouterr()
        main(["sweep", "run", str(tiny_sweep), "--out", "out", "--dry-run", "--index", "2"])
        assert capsys.readouterr().out.startswith(f"{label}/usr/bin/env hieramp distill")
    nested.write_text(seeds)

    # The trial before it, as an agent starts it: its own code writes the parameters and sets the environment.
    os.environ.update(WANDB_MODE="offline", WANDB_SWEEP_ID="sweep123", WANDB_DIR=str(tmp_path / "agent"))
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    agent = Agent(api=None, queue=None, sweep_id="sweep123")
    agent._sweep_command = list(read_sweep_file(tiny_sweep).command)
    (tmp_path / "agent/wandb/sweep-sweep123").mkdir(parents=True)
    arguments = {name: {"value": value} for name, value in coarse.parameters.items()}
    agent._command_run({"run_id": "run12345", "program": "hieramp", "args": arguments})
    assert agent._run_processes["run12345"].wait(timeout=200) == 0

    run = only_run(tmp_path / "agent")
    assert (run.run.run_id, run.run.sweep_id, run.exit_code) == ("run12345", "sweep123", 0)
    assert run.config["generate.model.amplification"] == {"beta": 5, "rho": 0.3, "stages": ["coarse"]}
    assert [run.summary[name] for name in ("beta/coarse", "beta/mid", "rho/coarse", "rho/mid")] == [5, 0, 0.3, 0]
    sheet = {key.partition("/")[2]: value for key, value in run.summary.items() if key.startswith("contact_sheet/")}
    assert run.media(sheet).startswith(b"\x89PNG")

    (by_agent,) = (tmp_path / "store/trials").iterdir()
    assert len(tokens(by_agent)) == len(tokens(done.out)) == 10
    assert tokens(by_agent) != tokens(done.out)
