"""Stages of a larger command: each is a `hieramp` command line, run in a process of its own, and not run twice.

Processes of their own, because a process that has been one of several Lightning ranks stays one.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rich.console import Console
from rich.text import Text

from hieramp_lit.files import sha256, write_json
from hieramp_lit.jobs import end_with_parent

_INHERITED_ROLE = re.compile(
    "(LOCAL_|NODE_|GROUP_)?(RANK|WORLD_SIZE)|MASTER_(ADDR|PORT)|TORCHELASTIC_.*|PL_GLOBAL_SEED|PL_SEED_WORKERS|WANDB_.*"
    "|SLURM_(N(TASKS|PROCS).*|PROCID|LOCALID|NODEID|STEP_.*)"
)
"""What would make a child part of another job: ranks, seeds and runs of the calling process."""

_PATIENCE = 5.0  # seconds that a stage has to end by itself


@dataclass(frozen=True)
class Stage:
    """One command line and the folder it fills.

    Attributes:
        name: Name in messages; also names its log and its record.
        arguments: What follows `hieramp`.
        folder: What the stage writes. It is emptied before the stage runs with other arguments than before.
        needs: Stages whose output it reads; when one of them changes, so does this one.
        outcome: What came out, in a few words, for the line that tells the stage's end.
    """

    name: str
    arguments: tuple[str, ...]
    folder: Path
    needs: tuple["Stage", ...] = ()
    outcome: Callable[[], str] = str

    @property
    def command_line(self) -> str:
        """What a user would type."""
        return shlex.join(["hieramp", *self.arguments])

    def digest(self) -> str:
        """Hash of everything that decides the output: arguments, configuration files, our code, earlier stages."""
        files = [value for flag, value in zip(self.arguments, self.arguments[1:], strict=False) if flag == "--config"]
        parts = [
            _code(),
            list(self.arguments),
            [sha256(Path(file)) for file in files],
            [stage.digest() for stage in self.needs],
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class StageError(RuntimeError):
    """A stage ended with an exit code other than zero.

    Attributes:
        exit_code: The child's, or 128 + the signal that ended it.
        log: File with its whole output.
    """

    def __init__(self, stage: Stage, exit_code: int, log: Path) -> None:
        super().__init__(f"{stage.name} failed with exit code {exit_code}: {stage.command_line}")
        self.exit_code = exit_code
        self.log = log


class StageRunner:
    """Runs stages, from several threads if wanted; remembers which are done.

    Args:
        root: Folder for records (``stages/NAME.json``) and outputs (``logs/NAME.log``).
        console: Where command lines and results are shown.
    """

    def __init__(self, root: Path, console: Console) -> None:
        self._root = root
        self._console = console
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(self, stage: Stage, threads: int) -> float:
        """Run a stage, or skip it if it is done with the same arguments, files and earlier stages.

        Args:
            stage: The stage.
            threads: CPU threads for it.

        Returns:
            Seconds it took, when it ran; now or at an earlier time.

        Raises:
            StageError: If it fails.
        """
        record, digest = self._root / "stages" / f"{_slug(stage.name)}.json", stage.digest()
        earlier = json.loads(record.read_text()) if record.is_file() else {}
        if earlier.get("digest") == digest and earlier.get("seconds") is not None and stage.folder.is_dir():
            self._say("done before: ", "dim", stage.name)
            return float(earlier["seconds"])
        if earlier and earlier.get("digest") != digest:
            # The record proves that the folder is ours; what stands there was made by another configuration.
            shutil.rmtree(stage.folder, ignore_errors=True)
        entry = {"digest": digest, "command": stage.command_line, "seconds": None}
        write_json(record, entry)
        start = time.monotonic()
        self._execute(stage, threads)
        seconds = round(time.monotonic() - start, 1)
        write_json(record, {**entry, "seconds": seconds})
        outcome = stage.outcome()
        self._say("done: ", "green", f"{stage.name}, {seconds:.0f} s" + (f": {outcome}" if outcome else ""))
        return seconds

    def stop(self) -> None:
        """End the children that still run; no further one starts."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            _end(process)

    def _say(self, label: str, style: str, text: str) -> None:
        # Text and not markup: command lines hold brackets.
        self._console.print(Text.assemble((label, style), text), soft_wrap=True)

    def _execute(self, stage: Stage, threads: int) -> None:
        log = self._root / "logs" / f"{_slug(stage.name)}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            with self._lock:
                if self._stopped:
                    raise StageError(stage, 130, log)
                self._say("", "", f"$ {stage.command_line}")
                process = subprocess.Popen(
                    [sys.executable, "-m", "hieramp_lit", *stage.arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=_clean_environment(threads),
                    preexec_fn=end_with_parent,
                )
                self._running.add(process)
            try:
                code = process.wait()
            finally:
                # Reached while it still runs if the user interrupts: no stage outlives the command.
                _end(process)
                with self._lock:
                    self._running.discard(process)
        if code != 0:
            raise StageError(stage, code if code > 0 else 128 - code, log)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()  # Lightning waits for the end of a step; what it writes is atomic
            process.wait()


@cache
def _code() -> str:
    """Hash of the package, shipped weights included: after an update the stages run again."""
    package = Path(__file__).parents[1]
    files = sorted(path for path in package.rglob("*") if path.suffix in {".py", ".safetensors"})
    names = [f"{path.relative_to(package)} {sha256(path)}" for path in files]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _clean_environment(threads: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not _INHERITED_ROLE.fullmatch(name)}
    return {**kept, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
