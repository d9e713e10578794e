"""A command that runs another one passes signals and exit codes on, and leaves no orphan."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hieramp_lit.jobs import RunStoppedError
from hieramp_lit.stages import run_child
from tests.shards.conftest import copy, finished  # noqa: F401 (fixtures)
from tests.shards.test_verify import TAR, flip_byte

CHILD = """#!/bin/sh
trap 'echo INT >> {log}; exit 130' INT
trap 'echo TERM >> {log}; exit 143' TERM
trap 'echo USR1 >> {log}; exit 138' USR1
echo $$ >> {log}
while :; do sleep 0.05; done
"""
VERIFY = """
import sys
from hieramp_lit.cli import main

sys.executable = sys.argv.pop(1)
main()
"""
ALONE = """
import sys
from hieramp_lit.stages import run_child
from hieramp_lit.jobs import RunStoppedError

sys.executable = sys.argv[1]
try:
    run_child(["predict"])
except RunStoppedError as stop:
    sys.stderr.write(str(stop))
    sys.exit(stop.exit_code)
"""


def program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def is_running(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def stopped(tmp_path: Path, signum: signal.Signals, *arguments: str) -> tuple[int, str, list[str]]:
    """Send a signal to a program that runs a child: its exit code, what it said, which signals the child heard."""
    log = tmp_path / "log"
    python = program(tmp_path / "python", CHILD.format(log=log))
    command = subprocess.Popen(
        [sys.executable, "-c", arguments[0], str(python), *arguments[1:]],
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    while not log.is_file() or not log.read_text().endswith("\n"):
        assert command.poll() is None
        time.sleep(0.01)
    child = int(log.read_text())
    if signum == signal.SIGINT:
        os.killpg(command.pid, signum)  # as a terminal does
    else:
        command.send_signal(signum)
    _, told = command.communicate(timeout=20)
    until = time.monotonic() + 20
    while is_running(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_running(child)
    return command.returncode, told, log.read_text().split()[1:]


def test_a_repair_that_is_stopped_leaves_no_orphan(copy: Path, tmp_path: Path) -> None:  # noqa: F811
    flip_byte(copy / TAR)
    arguments = ["verify", str(copy), "--repair", "--config", "any.yaml"]
    code, told, heard = stopped(tmp_path, signal.SIGTERM, VERIFY, *arguments)
    assert (code, heard) == (143, ["TERM"])
    assert "`hieramp predict` was ended by signal 15" in told


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_reaches_the_child_once(tmp_path: Path, signum: signal.Signals) -> None:
    code, told, heard = stopped(tmp_path, signum, ALONE)
    assert (code, heard) == (128 + signum, [signum.name.removeprefix("SIG")])
    assert f"signal {signum.value}" in told


def test_a_killed_parent_leaves_no_orphan(tmp_path: Path) -> None:
    assert stopped(tmp_path, signal.SIGKILL, ALONE) == (-signal.SIGKILL, "", ["TERM"])


@pytest.mark.parametrize(("end", "code"), [("exit 0", 0), ("exit 2", 2)])
def test_an_exit_code_is_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, code: int) -> None:
    monkeypatch.setattr(sys, "executable", str(program(tmp_path / "python", f"#!/bin/sh\n{end}\n")))
    before = signal.getsignal(signal.SIGTERM)
    assert run_child(["predict"]) == code
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("end", "code"), [("exit 138", 138), ("exit 143", 143), ("kill -KILL $$", 137), ("kill -TERM $$", 143)]
)
def test_the_end_by_a_signal_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, code: int) -> None:
    monkeypatch.setattr(sys, "executable", str(program(tmp_path / "python", f"#!/bin/sh\n{end}\n")))
    with pytest.raises(RunStoppedError) as stop:
        run_child(["predict"])
    assert stop.value.exit_code == code
    assert not stop.value.queued


def test_a_child_that_usr1_ends_before_it_takes_signals_puts_the_job_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(program(tmp_path / "python", "#!/bin/sh\nkill -USR1 $$\n")))
    program(tmp_path / "scontrol", f"#!/bin/sh\necho $* > {tmp_path}/asked\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    for name in ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RunStoppedError, match="Job 17 is requeued") as stop:
        run_child(["predict"])
    assert stop.value.exit_code == 128 + signal.SIGUSR1
    assert (tmp_path / "asked").read_text() == "requeue 17\n"
