"""Stages run once, again when anything they depend on changes, alone in their process, and stop at a failure."""

import dataclasses
import io
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rich.console import Console

from hieramp_lit import __version__
from hieramp_lit.jobs import Cost, RunStoppedError
from hieramp_lit.stages import Stage, StageError, StageRunner
from hieramp_lit.stages import runner as stage_runner
from hieramp_lit.stages.lock import alone


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def runner(tmp_path: Path, screen: io.StringIO) -> StageRunner:
    return StageRunner(tmp_path, Console(file=screen, width=200))


def _stage(folder: Path, *arguments: str, needs: tuple[Stage, ...] = ()) -> Stage:
    """`hieramp --version` takes a few hundredths of a second; what follows it only changes the command line."""
    folder.mkdir(exist_ok=True)
    return Stage("tell [a] version", ("--version", *arguments), folder, needs)


def test_shows_the_command_and_keeps_its_output(runner: StageRunner, tmp_path: Path, screen: io.StringIO) -> None:
    runner.run(_stage(tmp_path / "out", "--lengths=[1, 2]"), threads=1)
    assert "$ hieramp --version '--lengths=[1, 2]'" in screen.getvalue()
    assert "done: tell [a] version" in screen.getvalue()
    assert "hieramp_lit" in (tmp_path / "logs" / "tell-a-version.log").read_text()


def test_tells_what_came_out(runner: StageRunner, tmp_path: Path, screen: io.StringIO) -> None:
    stage = dataclasses.replace(_stage(tmp_path / "out"), outcome=lambda: "[ten] images")
    runner.run(stage, threads=1)
    assert re.search(r"done: tell \[a\] version, \d+ s: \[ten\] images", screen.getvalue())
    assert stage.digest() == _stage(tmp_path / "out").digest()


def test_is_not_run_twice(runner: StageRunner, tmp_path: Path, screen: io.StringIO) -> None:
    first = runner.run(_stage(tmp_path / "out"), threads=1)
    assert runner.run(_stage(tmp_path / "out"), threads=2) == first
    assert screen.getvalue().count("$ hieramp") == 1
    assert "done before: tell [a] version" in screen.getvalue()


def test_runs_again_in_an_empty_folder_when_its_arguments_change(runner: StageRunner, tmp_path: Path) -> None:
    stage = _stage(tmp_path / "out")
    runner.run(stage, threads=1)
    (stage.folder / "old").touch()
    runner.run(_stage(tmp_path / "out", "other"), threads=1)
    assert not (stage.folder / "old").exists()


def test_continues_in_its_folder_after_an_interruption(runner: StageRunner, tmp_path: Path) -> None:
    stage = _stage(tmp_path / "out")
    runner.run(stage, threads=1)
    (stage.folder / "shard").touch()
    record = next((tmp_path / "stages").iterdir())
    record.write_text(json.dumps({**json.loads(record.read_text()), "seconds": None}))
    runner.run(stage, threads=1)
    assert (stage.folder / "shard").exists()


def test_a_folder_it_has_no_record_of_is_left_alone(runner: StageRunner, tmp_path: Path) -> None:
    stage = _stage(tmp_path / "out")
    (stage.folder / "somebody's").touch()
    runner.run(stage, threads=1)
    assert (stage.folder / "somebody's").exists()


def test_digest_follows_configurations_and_earlier_stages(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("a: 1")
    first = _stage(tmp_path / "out", "--config", str(config))
    second = _stage(tmp_path / "out2", needs=(first,))
    before = first.digest(), second.digest()
    assert before == (first.digest(), second.digest())
    config.write_text("a: 2")
    assert first.digest() != before[0]
    assert second.digest() != before[1]


def test_a_failure_carries_exit_code_and_output(runner: StageRunner, tmp_path: Path) -> None:
    stage = Stage("fail", ("nonsense",), tmp_path / "out")
    with pytest.raises(StageError, match="hieramp nonsense") as failure:
        runner.run(stage, threads=1)
    assert failure.value.exit_code == 2
    assert "unknown command" in failure.value.log.read_text()
    with pytest.raises(StageError):  # and it is not taken for done
        runner.run(stage, threads=1)


def test_nothing_starts_after_a_stop(runner: StageRunner, tmp_path: Path, screen: io.StringIO) -> None:
    runner.stop()
    with pytest.raises(StageError):
        runner.run(_stage(tmp_path / "out"), threads=1)
    assert "$" not in screen.getvalue()


def test_children_inherit_no_role(runner: StageRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roles = [
        "LOCAL_RANK",
        "RANK",
        "WORLD_SIZE",
        "LOCAL_WORLD_SIZE",
        "NODE_RANK",
        "GROUP_RANK",
        "MASTER_ADDR",
        "MASTER_PORT",
        "TORCHELASTIC_RUN_ID",
        "PL_GLOBAL_SEED",
        "PL_SEED_WORKERS",
        "WANDB_RUN_ID",
        "WANDB_SWEEP_ID",
    ]
    for name in roles:
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    given: dict[str, str] = {}
    start = subprocess.Popen

    def remember(*args: object, env: dict[str, str], **kwargs: object) -> "subprocess.Popen[bytes]":
        given.update(env)
        return start(*args, env=env, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", remember)
    runner.run(_stage(tmp_path / "out"), threads=3)
    assert not set(roles) & set(given)
    assert given["CUDA_VISIBLE_DEVICES"] == "3"
    assert given["OMP_NUM_THREADS"] == "3"


class TestEnding:
    @pytest.fixture
    def endless(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
        """A stage that never ends and does not want to; its process id lands in the log."""
        program = tmp_path / "python"
        program.write_text("#!/bin/sh\ntrap '' TERM\necho $$\nwhile :; do sleep 0.05; done\n")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
        monkeypatch.setattr(stage_runner, "_PATIENCE", 0.2)
        return Stage("wait", ("fit",), tmp_path / "out")

    @staticmethod
    def _process(tmp_path: Path) -> int:
        log = tmp_path / "logs" / "wait.log"
        while (
            not log.is_file() or not log.read_text().splitlines()[-1:] or not log.read_text().splitlines()[-1].isdigit()
        ):
            time.sleep(0.01)
        return int(log.read_text().splitlines()[-1])

    def test_stop_ends_what_runs(self, runner: StageRunner, endless: Stage, tmp_path: Path) -> None:
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(runner.run, endless, 1)
            process = self._process(tmp_path)
            runner.stop()
            with pytest.raises(StageError) as failure:
                running.result()
        assert failure.value.exit_code == 128 + signal.SIGKILL
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)

    def test_an_interruption_leaves_no_orphan(
        self, runner: StageRunner, endless: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wait = subprocess.Popen.wait

        def interrupted(self: "subprocess.Popen[bytes]", timeout: float | None = None) -> int:
            if timeout is None and self.poll() is None:
                TestEnding._process(tmp_path)
                monkeypatch.setattr(subprocess.Popen, "wait", wait)
                raise KeyboardInterrupt
            return wait(self, timeout)

        monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            runner.run(endless, threads=1)
        with pytest.raises(ProcessLookupError):
            os.kill(self._process(tmp_path), 0)

    def test_a_killed_command_leaves_no_orphan(self, tmp_path: Path) -> None:
        program = tmp_path / "python"
        program.write_text("#!/bin/sh\necho $$\nwhile :; do sleep 0.05; done\n")
        program.chmod(0o755)
        command = subprocess.Popen([sys.executable, "-c", RUNS_A_STAGE, str(tmp_path), str(program)])
        process = self._process(tmp_path)
        os.kill(process, 0)
        command.kill()
        command.wait()
        until = time.monotonic() + 20
        while Path(f"/proc/{process}").exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert not Path(f"/proc/{process}").exists()


class TestSideBySide:
    """Runners of other processes are like other runners: each opens the lock by itself."""

    @pytest.fixture
    def program(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Takes half a second; counts how often it ran, and how often another one ran at the same time."""
        program = tmp_path / "python"
        program.write_text(
            f"#!/bin/sh\necho ran >> {tmp_path}/count\nmkdir {tmp_path}/alone || echo together >> {tmp_path}/count\n"
            f"sleep 0.5\nrmdir {tmp_path}/alone\n"
        )
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
        return tmp_path / "count"

    def test_a_stage_is_made_once(self, program: Path, tmp_path: Path) -> None:
        screens = [io.StringIO() for _ in range(3)]
        runners = [StageRunner(tmp_path, Console(file=screen, width=200)) for screen in screens]
        stage = _stage(tmp_path / "out")
        with ThreadPoolExecutor(3) as pool:
            seconds = list(pool.map(lambda runner: runner.run(stage), runners))
        assert len(set(seconds)) == 1
        assert program.read_text() == "ran\n"
        told = sorted(screen.getvalue() for screen in screens)
        assert sum("$ hieramp" in text for text in told) == 1
        assert sum("done before: " in text for text in told) == 2

    def test_stages_that_share_a_folder_take_turns(self, program: Path, tmp_path: Path) -> None:
        folder = tmp_path / "out"
        folder.mkdir()
        made = [Stage(f"seeds {n}", ("--version",), folder, identity=str(n)) for n in range(2)]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda stage: StageRunner(tmp_path, Console(file=io.StringIO())).run(stage), made))
        assert program.read_text() == "ran\nran\n"

    def test_whoever_waits_hears_a_signal(self, tmp_path: Path, program: Path, screen: io.StringIO) -> None:
        runner, stage = StageRunner(tmp_path, Console(file=screen, width=200)), _stage(tmp_path / "out")
        with (
            alone(tmp_path / "locks" / "out.lock", pytest.fail, pytest.fail),
            runner.passing_signals_on(),
            ThreadPoolExecutor(1) as pool,
        ):
            pool.submit(_once_told, screen, "is being made by")
            with pytest.raises(RunStoppedError, match="SIGTERM"):
                runner.run(stage)
        assert not program.exists()


def _once_told(screen: io.StringIO, words: str) -> None:
    while words not in screen.getvalue():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_folder_stays_held_until_its_stage_has_ended(tmp_path: Path) -> None:
    """The runner is killed, and what it ran takes a second to end: nobody else may write there meanwhile."""
    program, ended = tmp_path / "python", tmp_path / "ended"
    program.write_text(
        f"#!/bin/sh\ntrap 'sleep 1; touch {ended}; exit 1' TERM\necho $$\nwhile :; do sleep 0.05; done\n"
    )
    program.chmod(0o755)
    command = subprocess.Popen([sys.executable, "-c", RUNS_A_STAGE, str(tmp_path), str(program)])
    TestEnding._process(tmp_path)
    command.kill()
    command.wait()
    waited: list[str] = []
    with alone(tmp_path / "locks" / "out.lock", waited.append, lambda: None):
        assert ended.exists()
    assert waited == [f"process {command.pid} on {platform.node()}"]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_that_is_passed_on_arrives_once(
    runner: StageRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signum: signal.Signals
) -> None:
    heard = tmp_path / "heard"
    program = tmp_path / "python"
    name = signum.name.removeprefix("SIG")
    program.write_text(
        f"#!/bin/sh\ntrap 'echo {name} >> {heard}; sleep 0.3; exit {128 + signum}' {name}\n"
        f"kill -{name} {os.getpid()}\nwhile :; do sleep 0.05; done\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with runner.passing_signals_on(), pytest.raises(RunStoppedError, match="goes on from here") as stop:
        runner.run(_stage(tmp_path / "out"))
    assert stop.value.exit_code == 128 + signum
    assert heard.read_text() == f"{name}\n"
    with pytest.raises(RunStoppedError):  # and no further stage starts
        runner.run(_stage(tmp_path / "other"))
    assert not (tmp_path / "other" / "old").exists()


def test_an_exit_code_of_zero_without_the_output_is_a_failure(runner: StageRunner, tmp_path: Path) -> None:
    stage = dataclasses.replace(_stage(tmp_path / "out"), outputs=(tmp_path / "out" / "result.json",))
    with pytest.raises(StageError, match=r"without .*result\.json"):
        runner.run(stage)
    assert runner.seconds(stage) is None


def test_an_identity_stands_for_arguments_and_code(tmp_path: Path) -> None:
    one = dataclasses.replace(_stage(tmp_path / "out", "a"), identity="same")
    assert one.digest() == dataclasses.replace(one, arguments=("b",)).digest() == "same"


def test_a_later_attempt_is_told_where_to_go_on(runner: StageRunner, tmp_path: Path, screen: io.StringIO) -> None:
    runner.run(dataclasses.replace(_stage(tmp_path / "out"), resume=lambda: ["--ckpt_path=last.ckpt"]))
    assert "$ hieramp --version --ckpt_path=last.ckpt" in screen.getvalue()


def test_seconds_are_those_of_all_attempts(
    runner: StageRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nsleep 0.4\n[ -e {tmp_path}/tried ] || {{ touch {tmp_path}/tried; exit 1; }}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    stage = _stage(tmp_path / "out")
    with pytest.raises(StageError):
        runner.run(stage)
    assert runner.seconds(stage) is None
    both = runner.run(stage)
    assert both >= 0.8
    assert runner.run(stage) == both
    shutil.rmtree(stage.folder)  # made anew, not gone on with
    monkeypatch.setattr(sys, "executable", shutil.which("true"))
    assert runner.run(dataclasses.replace(stage, resume=lambda: stage.folder.mkdir() or ())) < 0.4


def test_a_record_tells_which_version_made_a_stage(runner: StageRunner, tmp_path: Path) -> None:
    stage = _stage(tmp_path / "out")
    assert runner.version(stage) is None
    runner.run(stage)
    assert runner.version(stage) == __version__


def test_a_record_tells_what_a_stage_took(runner: StageRunner, tmp_path: Path) -> None:
    stage = _stage(tmp_path / "out")
    assert runner.cost(stage) == Cost()
    runner.run(stage)
    cost = runner.cost(stage)
    assert cost.peak_memory_bytes is not None
    assert 5 * 2**20 < cost.peak_memory_bytes < 200 * 2**20  # of Python and our own, without torch
    assert (cost.device, cost.devices) == (f"cpu ({platform.machine()})", 1)
    (record,) = (tmp_path / "stages").iterdir()
    content = json.loads(record.read_text())
    del content["cost"]  # as an earlier release wrote it
    record.write_text(json.dumps(content))
    assert runner.cost(stage) == Cost()
    assert runner.seconds(stage) is not None


def test_attempts_keep_the_highest_peak(runner: StageRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    report = json.dumps({"host": "a", "peak_memory_bytes": 1, "gpus": [], "cpu": "cpu"})
    script = f"#!/bin/sh\nif [ -e {tmp_path}/tried ]; then M=20; C=0; else M=30; C=1; touch {tmp_path}/tried; fi\n"
    program.write_text(f"{script}echo '{report}' | sed s/1,/$M,/ > $HIERAMP_COST/a.json\nexit $C\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    stage = _stage(tmp_path / "out")
    with pytest.raises(StageError):
        runner.run(stage)
    runner.run(stage)
    assert runner.cost(stage).peak_memory_bytes == 30


def test_tells_what_is_done_and_how_long_the_rest_takes(runner: StageRunner, tmp_path: Path) -> None:
    stages = [dataclasses.replace(_stage(tmp_path / f"out{n}"), name=f"make set {n}") for n in range(3)]
    assert runner.describe(stages) == "0 of 3 stages done"
    runner.run(stages[0])
    record = tmp_path / "stages" / "make-set-0.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "seconds": 90.0}))
    assert runner.describe(stages) == "1 of 3 stages done, about 0:03:00 left"
    assert runner.describe(stages, side_by_side=2) == "1 of 3 stages done, about 0:01:30 left"
    other = dataclasses.replace(stages[1], name="train 0")
    assert runner.describe([stages[0], other]) == "1 of 2 stages done"  # none of its kind has been made


def test_tells_what_runs_and_what_it_says(runner: StageRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    program.write_text(
        f"#!/bin/sh\nprintf 'epoch 1\\repoch 2'\nwhile [ ! -e {tmp_path}/enough ]; do sleep 0.02; done\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    stage = _stage(tmp_path / "out")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(runner.run, stage)
        while "epoch" not in runner.describe([stage]):
            time.sleep(0.01)
        said = runner.describe([stage])
        (tmp_path / "enough").touch()
        running.result()
    assert re.fullmatch(r"0 of 1 stages done\n  tell \[a\] version, 0:00:\d\d: epoch 2", said)
    assert runner.describe([stage]) == "1 of 1 stages done"


def test_last_lines_are_of_the_last_attempt(runner: StageRunner, tmp_path: Path) -> None:
    for word in ("first", "second"):
        with pytest.raises(StageError) as failure:
            runner.run(Stage("fail", (word,), tmp_path / "out"))
    lines = "\n".join(failure.value.last_lines())
    assert "second" in lines
    assert "first" not in lines
    assert "first" in failure.value.log.read_text()


RUNS_A_STAGE = """
import sys
from pathlib import Path
from rich.console import Console
from hieramp_lit.stages import Stage, StageRunner

root, sys.executable = Path(sys.argv[1]), sys.argv[2]
StageRunner(root, Console()).run(Stage("wait", ("fit",), root / "out"), threads=1)
"""
