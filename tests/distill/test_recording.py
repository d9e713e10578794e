"""A trial's W&B run, read back from the file that W&B writes offline."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb
import yaml
from PIL import Image

from hieramp_lit.distill.recording import curves
from hieramp_lit.files import sha256
from hieramp_lit.shards import ShardSet
from hieramp_lit.shards.format import CONTACT_SHEET
from tests.distill.test_driver import distill, here, ran, templates  # noqa: F401 (fixtures)
from tests.distill.trials import BARE
from tests.tracking.run_file import only_run

# Read and left open by W&B: the parameters of a sweep.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file .*config-abcd1234:ResourceWarning")
OFFLINE = ("--wandb.project=ours", "--wandb.group=table3", "--wandb.tags=[digits]", "--wandb.mode=offline")


@pytest.fixture(autouse=True)
def _own_session(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """W&B reads the environment once a session."""
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_DIR", "WANDB_PROJECT", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", "no_netrc")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    wandb.teardown()
    yield
    wandb.teardown()


@pytest.mark.usefixtures("here")
def test_the_run_holds_configuration_numbers_curves_pictures_tables_and_lineage() -> None:
    out = distill(*OFFLINE, "--wandb.log_artifacts=true", "--generate.model.amplification.scales=[1, 2]")
    found = only_run(out)
    assert (found.run.project, found.run.run_group, list(found.run.tags)) == ("ours", "table3", ["digits"])
    trial_hash = json.loads((out / "result.json").read_text())["trial"]["hash"]
    assert found.run.display_name == f"digits-{trial_hash[:10]}"  # a sweep's trials have one name
    assert found.config["generate.model.amplification.scales"] == [1, 2]
    assert found.config["students.seeds"] == [0, 1, 2]
    assert found.config["inspect"] is None
    numbers = json.loads((out / "summary.json").read_text())
    assert {name: found.summary[name] for name in numbers} == numbers
    assert found.exit_code == 0

    assert [row["curves/seed-2/val/top1"] for row in found.history if "curves/seed-2/val/top1" in row] == [0.2, 0.5]
    assert found.value("curves/mean/val/top1") == pytest.approx(0.5)
    (shard_set,) = Path("store/generate").iterdir()
    sheet = {key.partition("/")[2]: value for key, value in found.summary.items() if key.startswith("contact_sheet/")}
    drawn = [Image.open(io.BytesIO(file)) for file in (found.media(sheet), (shard_set / CONTACT_SHEET).read_bytes())]
    assert drawn[0].tobytes() == drawn[1].tobytes()
    assert table(found, "schedule")[1] == ["01", 2.0, numbers["rho/01"]]
    assert table(found, "student/seeds")[2] == pytest.approx([2, 0.8, 0.9, 1.0, 1.0])
    assert [row[1] for row in table(found, "real/seeds")] == [0.5] * 3

    made = {artifact.type: artifact for artifact in found.artifacts if artifact.type in {"model", "dataset", "result"}}
    (weights,) = Path("store/tune").glob("*/class_tokens.safetensors")
    assert json.loads(made["model"].metadata)["sha256"] == sha256(weights)
    assert json.loads(made["dataset"].metadata)["manifest_sha256"] == ShardSet.open(shard_set).manifest.hash
    assert json.loads(made["result"].metadata)["sha256"] == sha256(out / "result.json")


def table(found, key):
    """Rows of a table of the run."""
    named = {name.removeprefix(f"{key}/"): value for name, value in found.summary.items() if name.startswith(f"{key}/")}
    return json.loads(found.media(named))["data"]


def test_under_an_agent_it_is_the_agents_run_and_no_stages(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """What `wandb agent` leaves for a trial (wandb_agent.py, `_command_run`)."""
    parameters = {"generate.data.seed": 5, "generate.model.amplification": None}
    file = Path("wandb", "sweep-sw1", "config-abcd1234.yaml")
    file.parent.mkdir(parents=True)
    file.write_text(yaml.safe_dump({"wandb_version": 1} | {key: {"value": value} for key, value in parameters.items()}))
    Path("trial.json").write_text(json.dumps(parameters))
    for name, value in {
        "WANDB_MODE": "offline",
        "WANDB_SWEEP_ID": "sw1",
        "WANDB_RUN_ID": "abcd1234",
        "WANDB_SWEEP_PARAM_PATH": str(file),
        "WANDB_PROJECT": "the_sweeps",
    }.items():
        monkeypatch.setenv(name, value)
    arguments = ("--wandb.project=ours", "--real=null", "--config", "trial.json")
    out = distill(*arguments)
    found = only_run(out)
    assert (found.run.run_id, found.run.sweep_id, found.run.project) == ("abcd1234", "sw1", "the_sweeps")
    assert found.config["generate.data.seed"] == 5
    assert found.config["generate.model.amplification"] is None
    assert found.summary["student/top1_last"] == pytest.approx(0.7)
    assert [of_wandb for _, _, of_wandb in ran(here)] == [[]] * 3
    # The agent's next run of the same trial gets its numbers too, though nothing runs.
    wandb.teardown()
    again = distill(*arguments, out="again")
    assert only_run(again).summary["student/top1_last"] == pytest.approx(0.7)
    assert len(ran(here)) == 3
    assert os.environ["WANDB_RUN_ID"] == "abcd1234"


def test_a_failed_trial_is_a_failed_run_and_its_rerun_another_one(here: Path) -> None:  # noqa: F811
    (here / "fail-predict").write_text("3")
    arguments = (*OFFLINE, "--real=null", "--students=null")
    with pytest.raises(SystemExit):
        distill(*arguments)
    failed = only_run(Path("out"))
    assert failed.exit_code == 1
    assert "failed with exit code 3" in failed.summary["error"]
    (here / "fail-predict").unlink()
    wandb.teardown()
    distill(*arguments)
    assert len(list(Path("out").rglob("*.wandb"))) == 2
    wandb.teardown()
    distill(*arguments)  # complete and recorded: no run of a trial that ran nothing
    assert len(list(Path("out").rglob("*.wandb"))) == 2


@pytest.mark.usefixtures("here")
def test_without_a_section_there_is_no_run_and_with_one_there_is_one_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def runs(*arguments: str) -> int:
        wandb.teardown()
        distill("--real=null", "--students=null", *arguments)
        return len(list(Path().rglob("*.wandb")))

    assert runs() == 0
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert runs("--wandb.project=ours") == 0
    monkeypatch.delenv("WANDB_MODE")
    assert runs("--wandb.project=ours") == 1  # complete, but not recorded before
    assert runs("--wandb.project=ours") == 1
    assert runs("--wandb.project=other") == 2
    assert runs() == 2


def test_wandb_dying_under_the_stages_costs_no_trial(here: Path) -> None:  # noqa: F811
    (here / "kill-wandb").touch()
    command = [PYTHON, "-c", DISTILLS, str(here / "python"), *BARE, *OFFLINE, "--real=null"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "W&B did not take the curves (ConnectionResetError: Connection lost)" in done.stderr
    assert json.loads(Path("out/summary.json").read_text())["student/n"] == 3
    assert not Path("out/recorded.json").exists()
    (here / "kill-wandb").unlink()
    distill(*OFFLINE, "--real=null")  # asked again, it is recorded
    assert len(ran(here)) == 3
    assert Path("out/recorded.json").exists()


PYTHON = sys.executable  # before the stand-in takes its place
DISTILLS = """
import sys
from hieramp_lit.cli import main

sys.executable = sys.argv[1]
main(["distill", "--config", "configs/distill/digits.yaml", "--store=store", "--out=out", *sys.argv[2:]])
"""


def test_curves_of_an_interrupted_seed_are_joined(tmp_path: Path) -> None:
    for number, (seed, rows) in enumerate([(4, "0,1,0.1\n"), (7, "0,1,0.7\n"), (4, "1,2,0.4\n")]):
        run = tmp_path / "runs" / f"version_{number}"
        run.mkdir(parents=True)
        (run / "config.yaml").write_text(yaml.safe_dump({"model": {"init_args": {"seed": seed}}}))
        (run / "metrics.csv").write_text(f"epoch,step,val/top1\n{rows}")
    found = curves(tmp_path, [4, 7], tmp_path / "out")
    assert found[7] == tmp_path / "runs/version_1/metrics.csv"
    assert found[4].read_text() == "epoch,step,val/top1\n0,1,0.1\n1,2,0.4\n"
