"""Stages run once, again when anything they depend on changes, alone in their process, and stop at a failure."""

import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rich.console import Console

from hieramp_lit.commands import stages
from hieramp_lit.commands.stages import Stage, StageError, StageRunner


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
        monkeypatch.setattr(stages, "_PATIENCE", 0.2)
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


RUNS_A_STAGE = """
import sys
from pathlib import Path
from rich.console import Console
from hieramp_lit.commands.stages import Stage, StageRunner

root, sys.executable = Path(sys.argv[1]), sys.argv[2]
StageRunner(root, Console()).run(Stage("wait", ("fit",), root / "out"), threads=1)
"""
