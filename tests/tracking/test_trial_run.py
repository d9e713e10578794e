"""A trial's run, read back from the file that W&B writes offline."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import wandb
import yaml
from PIL import Image

from hieramp_lit.files import sha256
from hieramp_lit.jobs import RunStoppedError
from hieramp_lit.shards import ShardSet
from hieramp_lit.tracking import Tracking, TrialRun
from hieramp_lit.tracking.server import why_silent
from tests.shards.making import make_set
from tests.tracking.run_file import only_run

# Read and left open by W&B: the parameters of a sweep.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file .*config-abcd1234:ResourceWarning")
OFFLINE = Tracking(project="ours", entity="lab", group="table3", tags=["digits", "β"], mode="offline")
CONFIGURATION = {
    "generate.model.amplification.beta.coarse": 3.5,
    "generate.model.amplification.blocks": [-2, -1],
    "generate.model.checkpoint": None,
    "generate.data.save_saliency": False,
    "students.seeds": [0, 1],
    "name": "β trial",
}


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


@pytest.fixture
def _agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `wandb agent` leaves for a trial (wandb_agent.py, `_command_run`)."""
    parameters = {"generate.model.amplification.beta.coarse": {"value": 3.5}, "students.seeds": {"value": [0, 1]}}
    path = Path("wandb", "sweep-sw1", "config-abcd1234.yaml")
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump({"wandb_version": 1, **parameters}))
    for name, value in {
        "WANDB_SWEEP_ID": "sw1",
        "WANDB_RUN_ID": "abcd1234",
        "WANDB_SWEEP_PARAM_PATH": str(path),
        "WANDB_PROJECT": "the_sweeps",
        "WANDB_ENTITY": "the_sweepers",
    }.items():
        monkeypatch.setenv(name, value)


def test_a_run_holds_what_it_was_told() -> None:
    Image.new("RGB", (3, 2), "red").save("sheet.png")
    with TrialRun(OFFLINE, "β trial", CONFIGURATION, Path("trial")) as run:
        run.log_image("contact_sheet", Path("sheet.png"))
        run.log_table("student/seeds", ["seed", "top1", "note"], [[0, 0.5, None], [1, None, "x"], [2, 1, 3.5]])
        run.log_summary({"student/top1_last": 0.9, "beta/coarse": 3.5})
    found = only_run(Path("trial"))
    assert {key: found.config[key] for key in CONFIGURATION} == CONFIGURATION
    assert (found.run.project, found.run.entity, found.run.run_group) == ("ours", "lab", "table3")
    assert (found.run.display_name, list(found.run.tags)) == ("β trial", ["digits", "β"])
    assert (found.summary["student/top1_last"], found.summary["beta/coarse"]) == (0.9, 3.5)
    images = {key.partition("/")[2]: value for key, value in found.summary.items() if key.startswith("contact_sheet/")}
    assert Image.open(io.BytesIO(found.media(images))).size == (3, 2)
    tables = {key.removeprefix("student/seeds/"): value for key, value in found.summary.items()}
    table = json.loads(found.media(tables))
    assert table["columns"] == ["seed", "top1", "note"]
    assert table["data"] == [[0, 0.5, None], [1, None, "x"], [2, 1, 3.5]]
    assert (found.exit_code, found.preempting) == (0, False)


def test_curves_are_drawn_over_epochs_and_stay_out_of_the_summary() -> None:
    for seed, (first, last) in enumerate([(0.1, 0.3), (0.3, 0.7)]):
        Path(f"{seed}.csv").write_text(f"epoch,step,val/top1\n0,5,{first}\n4,9,{last}\n")
    with TrialRun(OFFLINE, "t", {}, Path("trial")) as run:
        run.log_curves({0: Path("0.csv"), 1: Path("1.csv")})
        run.log_summary({"student/n": 2})
    found = only_run(Path("trial"))
    names = ("curves/epoch", "curves/seed-0/val/top1", "curves/seed-1/val/top1", "curves/mean/val/top1")
    assert [[row[name] for name in names] for row in found.history] == [
        [0, 0.1, 0.3, pytest.approx(0.2)],
        [4, 0.3, 0.7, pytest.approx(0.5)],
    ]
    assert found.history[1]["curves/std/val/top1"] == pytest.approx(0.08**0.5)
    assert found.step_metrics["curves/*"] == "curves/epoch"
    assert not [key for key in found.summary if key.startswith(("curves/seed", "curves/mean", "curves/std"))]


@pytest.mark.usefixtures("_agent")
def test_under_an_agent_it_is_the_agents_run(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_SILENT")
    with TrialRun(OFFLINE, "t", CONFIGURATION, Path("trial")) as run:
        run.log_summary({"student/top1_last": 0.9})
    found = only_run(Path("trial"))
    assert (found.run.run_id, found.run.sweep_id) == ("abcd1234", "sw1")
    assert (found.run.project, found.run.entity) == ("the_sweeps", "the_sweepers")
    assert {key: found.config[key] for key in CONFIGURATION} == CONFIGURATION
    assert found.summary["student/top1_last"] == 0.9
    said = capfd.readouterr().err
    assert "Ignoring" not in said
    assert "locked" not in said


@pytest.mark.usefixtures("_agent")
def test_a_sweeps_parameter_is_what_the_sweep_says() -> None:
    with TrialRun(OFFLINE, "t", {"generate.model.amplification.beta.coarse": 7.0, "other": 1}, Path("trial")):
        pass
    found = only_run(Path("trial"))
    assert found.config["generate.model.amplification.beta.coarse"] == 3.5
    assert found.config["other"] == 1


def test_without_a_key_it_is_recorded_offline(caplog: pytest.LogCaptureFixture) -> None:
    with TrialRun(Tracking(), "t", {"a": 1}, Path("trial")):
        pass
    assert only_run(Path("trial")).config["a"] == 1
    assert "No W&B key found" in caplog.text
    assert "wandb sync" in caplog.text


@pytest.mark.parametrize("tracking", [None, Tracking(mode="disabled")])
def test_disabled_leaves_nothing(tracking: Tracking | None) -> None:
    with TrialRun(tracking, "t", {"a": 1}, Path("trial")) as run:
        run.log_curves({0: Path("absent.csv")})
        run.log_image("contact_sheet", Path("absent.png"))
        run.log_table("t", ["a"], [[1]])
        run.log_summary({"student/n": 1})
        run.record_artifacts(None, Path("absent"), Path("absent.json"))
    assert wandb.run is None
    assert not list(Path.cwd().rglob("*"))


def test_disabled_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    with TrialRun(Tracking(), "t", {}, Path("trial")):
        assert wandb.run is None


def test_files_lie_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_DIR", "scratch")
    with TrialRun(OFFLINE, "t", {}, Path("trial")):
        pass
    assert only_run(Path("scratch")).exit_code == 0
    assert not Path("trial").exists()


def test_after_an_exception_the_run_has_failed() -> None:
    with pytest.raises(RuntimeError, match="stage broke"), TrialRun(OFFLINE, "t", {}, Path("trial")):
        raise RuntimeError("stage broke")
    found = only_run(Path("trial"))
    assert found.exit_code == 1
    assert found.summary["error"] == "RuntimeError: stage broke"
    assert not found.preempting
    assert wandb.run is None


def test_a_process_with_a_run_of_its_own_is_refused() -> None:
    other = wandb.init(project="other", mode="offline", dir="other")
    with pytest.raises(RuntimeError, match=other.id), TrialRun(OFFLINE, "t", {}, Path("trial")):
        pass
    assert wandb.run is other
    other.finish()


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (None, 0), (2, 1)])
def test_leaving_by_an_exit_code(code: int | None, expected: int) -> None:
    with pytest.raises(SystemExit), TrialRun(OFFLINE, "t", {}, Path("trial")):
        raise SystemExit(code)
    assert only_run(Path("trial")).exit_code == expected


@pytest.mark.usefixtures("_agent")
@pytest.mark.parametrize(
    ("signum", "job", "expected"),
    [
        (signal.SIGUSR1, "", True),
        (signal.SIGTERM, "17", True),
        (signal.SIGTERM, "", False),
        (signal.SIGINT, "17", False),
    ],
)
def test_a_sweeps_run_whose_machine_is_taken_is_handed_out_again(
    signum: int, job: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", job)
    with pytest.raises(RunStoppedError), TrialRun(OFFLINE, "t", {}, Path("trial")):
        raise RunStoppedError(signum, "stopped")
    found = only_run(Path("trial"))
    assert (found.preempting, found.exit_code) == (expected, 1)


def test_artifacts_are_references_named_by_content_and_lead_from_weights_to_result() -> None:
    Path("weights.pth").write_bytes(b"weights")
    Path("trial").mkdir()
    Path("trial/result.json").write_text('{"schema": 1}')
    make_set(Path("a set"))
    with TrialRun(OFFLINE, "t", {}, Path("trial")) as run:
        run.record_artifacts(Path("weights.pth"), Path("a set"), Path("trial/result.json"))
    weights, images, result = only_run(Path("trial")).artifacts
    hashes = sha256(Path("weights.pth")), ShardSet.open(Path("a set")).manifest.hash, sha256(Path("trial/result.json"))
    assert [artifact.type for artifact in (weights, images, result)] == ["model", "dataset", "result"]
    assert [artifact.name for artifact in (weights, images, result)] == [
        f"{kind}-{digest[:12]}" for kind, digest in zip(("weights", "set", "result"), hashes, strict=True)
    ]
    of_weights, of_set, of_result = (json.loads(artifact.metadata) for artifact in (weights, images, result))
    assert (of_weights["sha256"], of_set["manifest_sha256"], of_result["sha256"]) == hashes
    assert of_set["weights_sha256"] == {"var": "0" * 64}  # also those of the Hub, which are no artifact
    assert (of_set["made_from"], of_result["made_from"]) == (weights.name, images.name)
    files = (Path("weights.pth"), Path("a set/manifest.json"), Path("trial/result.json"))
    for artifact, file in zip((weights, images, result), files, strict=True):
        (entry,) = artifact.manifest.contents
        assert (entry.ref, entry.size) == (file.resolve().as_uri(), file.stat().st_size)
        assert entry.local_path == ""  # nothing to upload


def test_online_the_graph_has_weights_and_set_as_inputs_and_the_result_as_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[tuple[str, str]] = []

    class Online:
        """Stands for a run whose server answers."""

        def __init__(self) -> None:
            self.log_artifact = lambda artifact: told.append(("made", artifact.type))
            self.use_artifact = lambda artifact: told.append(("used", artifact.type))
            self.finish = lambda exit_code: None

    monkeypatch.setattr(wandb.Artifact, "wait", lambda self, timeout: self)
    Path("weights.pth").write_bytes(b"weights")
    Path("result.json").write_text("{}")
    make_set(Path("a set"))
    with TrialRun(None, "t", {}, Path("trial")) as run:
        run._run = Online()
        run.record_artifacts(Path("weights.pth"), Path("a set"), Path("result.json"))
    assert told == [("made", "model"), ("used", "model"), ("made", "dataset"), ("used", "dataset"), ("made", "result")]


def test_other_weights_are_another_artifact_and_equal_ones_the_same() -> None:
    names = []
    for trial, content in enumerate([b"weights", b"weights", b"others!"]):
        Path("weights").mkdir(exist_ok=True)
        Path("weights/part").write_bytes(content)
        make_set(Path(f"set{trial}"))
        Path("result.json").write_text("{}")
        with TrialRun(OFFLINE, "t", {}, Path(f"trial{trial}")) as run:
            run.record_artifacts(Path("weights"), Path(f"set{trial}"), Path("result.json"))
        names.append([artifact.name for artifact in only_run(Path(f"trial{trial}")).artifacts])
    assert names[0] == names[1]
    assert names[0][0] != names[2][0]
    assert names[0][1] == names[2][1]


@pytest.mark.parametrize("answers", ["never", "refuses connections"])
def test_a_server_that_does_not_answer_costs_seconds(
    answers: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1] if answers == "never" else 1
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        start = time.monotonic()
        with TrialRun(Tracking(mode="online"), "t", {"a": 1}, Path("trial"), patience=1.0) as run:
            run.log_summary({"student/top1_last": 0.9})
        assert time.monotonic() - start < 20
    assert only_run(Path("trial")).summary["student/top1_last"] == 0.9
    assert "recorded offline" in caplog.text


def test_a_server_that_refuses_everything_costs_no_trial(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Refusal(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(404)
            self.end_headers()

        do_POST = do_GET  # noqa: N815 (the name that http.server looks for)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        assert why_silent(5.0) is None
        with TrialRun(Tracking(), "t", {"a": 1}, Path("trial"), patience=5.0) as run:
            run.log_summary({"student/top1_last": 0.9})
        server.shutdown()
    (folder,) = Path("trial").rglob("offline-run-*")
    assert only_run(folder).summary["student/top1_last"] == 0.9
    assert "recorded offline" in caplog.text


def test_wandb_dying_while_it_is_waited_for_costs_no_trial() -> None:
    done = subprocess.run([sys.executable, "-c", LOSES_WANDB], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "left, not complete\n"
    assert "W&B did not take the end of the run" in done.stderr


LOSES_WANDB = """
import os, signal, threading
from contextlib import suppress
from pathlib import Path
from hieramp_lit.tracking import Tracking, TrialRun

with TrialRun(Tracking(mode="offline"), "t", {}, Path("trial")) as run:
    assert run.complete
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # one that ends meanwhile
            name, _, fields = stat.read_text().partition("(")[2].rpartition(")")
            if name.startswith("wandb") and int(fields.split()[1]) == os.getpid():
                service = int(stat.parent.name)
    os.kill(service, signal.SIGSTOP)
    threading.Timer(0.5, os.kill, (service, signal.SIGKILL)).start()
print("left,", "complete" if run.complete else "not complete")
"""


def test_the_environment_is_left_as_it_was() -> None:
    before = dict(os.environ)
    with TrialRun(OFFLINE, "t", {}, Path("trial")):
        pass
    assert {name: value for name, value in os.environ.items() if name.startswith("WANDB_")} == {
        name: value for name, value in before.items() if name.startswith("WANDB_")
    }
