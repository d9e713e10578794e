import errno
import fcntl
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.lock import FolderLock

ROOT = Path(__file__).parents[2]

HOLD = """
import sys
from pathlib import Path
from hieramp_lit.shards.lock import FolderLock

lock = FolderLock(Path(sys.argv[1]), first=sys.argv[2] == "0")
sys.stdout.write("held\\n")
sys.stdout.flush()
sys.stdin.read()
lock.release()
"""

FORK = """
import os
import sys
import time
from pathlib import Path
from hieramp_lit.shards.lock import FolderLock

lock = FolderLock(Path(sys.argv[1]), first=True)
if os.fork() == 0:
    os.write(1, f"{os.getpid()}\\n".encode())  # by the worker itself: now it has started
    time.sleep(60)
    os._exit(0)
sys.stdin.read()
lock.release()
"""

CONTEND = """
import sys
from pathlib import Path
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.lock import FolderLock

folder, had = Path(sys.argv[1]), 0
sys.stdin.readline()
while had < 300:
    try:
        lock = FolderLock(folder, first=True)
    except ShardError:
        continue
    (folder / "writing").touch(exist_ok=False)
    (folder / "writing").unlink()
    lock.release()
    had += 1
"""


def start(script: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


class Holder:
    """A rank of another command, in a process of its own, that holds the folder."""

    def __init__(self, folder: Path, rank: int = 0) -> None:
        self.process = start(HOLD, folder, rank)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "held\n"

    def end(self) -> None:
        self.process.communicate()
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_leaves_nothing(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "deep" / "set", first=True)
    assert files(tmp_path / "deep" / "set") == [".lock"]
    lock.release()
    lock.release()
    assert files(tmp_path / "deep" / "set") == []


def test_another_command_is_refused_by_name_until_it_ends(tmp_path: Path) -> None:
    other = Holder(tmp_path)
    with pytest.raises(ShardError) as error:
        FolderLock(tmp_path, first=True)
    for part in (str(tmp_path), f"process {other.process.pid} on {platform.node()}", "another `model.output`"):
        assert part in str(error.value)
    other.end()
    assert files(tmp_path) == []
    FolderLock(tmp_path, first=True).release()


def test_kill_9_lets_go(tmp_path: Path) -> None:
    Holder(tmp_path).kill()
    assert files(tmp_path) == [".lock"]
    lock = FolderLock(tmp_path, first=True)
    assert (tmp_path / ".lock").read_text() == f"process {os.getpid()} on {platform.node()}"
    lock.release()
    assert files(tmp_path) == []


@pytest.mark.parametrize("killed", [True, False])
def test_a_worker_process_that_lives_on_holds_nothing(tmp_path: Path, killed: bool) -> None:
    rank = start(FORK, tmp_path)
    assert rank.stdout is not None
    assert rank.stdin is not None
    worker = int(rank.stdout.readline())
    with pytest.raises(ShardError, match=f"process {rank.pid} on"):
        FolderLock(tmp_path, first=True)
    if killed:
        rank.kill()
    rank.stdin.close()
    rank.wait()
    FolderLock(tmp_path, first=True).release()
    os.kill(worker, signal.SIGKILL)  # it was there all the time
    rank.stdout.close()
    assert files(tmp_path) == []


def test_the_same_process_is_refused_too(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path, first=True)
    with pytest.raises(ShardError, match=f"process {os.getpid()} on"):
        FolderLock(tmp_path, first=True)
    lock.release()
    FolderLock(tmp_path, first=True).release()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_ranks_share_the_folder_until_the_last_one_ends(tmp_path: Path, order: tuple[int, ...]) -> None:
    ranks = [Holder(tmp_path, rank) for rank in range(3)]
    for rank, leave in zip(order, (Holder.kill, Holder.end, Holder.end), strict=True):
        with pytest.raises(ShardError, match="being written by another command"):
            FolderLock(tmp_path, first=True)
        leave(ranks[rank])
    assert files(tmp_path) == []


def test_never_two_at_once(tmp_path: Path) -> None:
    commands = [start(CONTEND, tmp_path) for _ in range(3)]
    for command in commands:
        assert command.stdin is not None
        command.stdin.write("go\n")
        command.stdin.flush()
    for command in commands:
        command.communicate()
    assert [command.returncode for command in commands] == [0, 0, 0]
    assert files(tmp_path) == []


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def unsupported(descriptor: int, mode: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with pytest.warns(UserWarning, match=r"cannot be locked .*no other command"):
        rank_0 = FolderLock(tmp_path, first=True)
    rank_1 = FolderLock(tmp_path, first=False)
    assert files(tmp_path) == []
    rank_1.release()
    rank_0.release()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        FolderLock(tmp_path / "file" / "set", first=True)
