"""Stages of a larger command: each is a `hieramp` command line, run in a process of its own, and not run twice.

Processes of their own, because a process that has been one of several Lightning ranks stays one.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from rich.console import Console
from rich.text import Text

from hieramp_lit.jobs import (
    COST_VARIABLE,
    Cost,
    RunStoppedError,
    end_with_parent,
    read_cost,
    requeue,
    signal_name,
)
from hieramp_lit.pace import duration
from hieramp_lit.stages.child import FORWARDED, send_signal
from hieramp_lit.stages.live import last_progress
from hieramp_lit.stages.lock import alone
from hieramp_lit.stages.records import StageRecords
from hieramp_lit.stages.stage import Stage, StageError, slug

_INHERITED_ROLE = re.compile(
    "(LOCAL_|NODE_|GROUP_)?(RANK|WORLD_SIZE)|MASTER_(ADDR|PORT)|TORCHELASTIC_.*|PL_GLOBAL_SEED|PL_SEED_WORKERS|WANDB_.*"
    "|SLURM_(N(TASKS|PROCS).*|PROCID|LOCALID|NODEID|STEP_.*)"
)
"""What would make a child part of another job: ranks, seeds and runs of the calling process."""

_PATIENCE = 5.0  # seconds that a stage has to end by itself


@dataclass(frozen=True)
class RunningStage:
    """A stage that runs now.

    Attributes:
        stage: The stage.
        start: Since when, by `time.monotonic`.
        expected: Seconds that the last one of its kind took; None without one.
        log: What it says.
    """

    stage: Stage
    start: float
    expected: float | None
    log: Path


class StageRunner:
    """Runs stages, from several threads if wanted; remembers which are done.

    Several runners may share a root, on one machine or several: a stage's folder is held while it is made, and the
    others wait and find it done.

    Args:
        root: Folder for records (``stages/NAME.json``), outputs (``logs/NAME.log``) and locks (``locks/``).
        console: Where command lines and results are shown.
    """

    def __init__(self, root: Path, console: Console) -> None:
        self._root = root
        self._records = StageRecords(root)
        self._console = console
        self._lock = threading.Lock()
        self._running: dict[subprocess.Popen[bytes], int] = {}  # each with the number of signals passed on to it
        self._shown: dict[str, RunningStage] = {}
        self._done: set[str] = set()
        self._stopped = False
        self._passes_on = False
        self._heard: list[int] = []

    def run(self, stage: Stage, threads: int | None = None) -> float:
        """Run a stage, or skip it if it is done with the same arguments, files and earlier stages.

        Args:
            stage: The stage.
            threads: CPU threads for it; None leaves it to the environment.

        Returns:
            Seconds it took, when it ran, now or at an earlier time; those of interrupted attempts included.

        Raises:
            RunStoppedError: If a signal ended it, or the wait for another one, under `passing_signals_on`.
            StageError: If it fails.
        """
        seconds = self._seconds_of(stage, threads)
        with self._lock:
            self._done.add(stage.name)
        return seconds

    def _seconds_of(self, stage: Stage, threads: int | None) -> float:
        seconds = self.seconds(stage)
        if seconds is None:
            place = self._root / "locks" / f"{slug(os.path.relpath(stage.folder, self._root))}.lock"
            with alone(place, lambda holder: self._tell_waiting(stage, holder), self._check_stopped) as held:
                seconds = self.seconds(stage)  # another process may have made it meanwhile
                if seconds is None:
                    return self._make(stage, threads, held)
        self._say("done before: ", "dim", stage.name)
        return seconds

    def seconds(self, stage: Stage) -> float | None:
        """Seconds that a stage took which is done; None if it is not."""
        return self._records.seconds(stage)

    def version(self, stage: Stage) -> str | None:
        """The version of this package that made a stage, or made it last; None where the record is older than that."""
        return self._records.version(stage)

    def cost(self, stage: Stage) -> Cost:
        """What a stage took of its machine; unknown where the record is older than that."""
        return self._records.cost(stage)

    def describe(self, stages: Sequence[Stage], side_by_side: int = 1) -> str:
        """What goes on now, in lines for people: how many are done, how long the rest takes, what runs and says.

        Args:
            stages: All that are to run.
            side_by_side: How many run at a time.
        """
        with self._lock:
            running, ended = list(self._shown.values()), set(self._done)
        now = time.monotonic()
        start = {one.stage.name: one.start for one in running}
        waiting = [stage for stage in stages if stage.name not in ended]
        expected = [self._records.estimate(stage) for stage in waiting]
        first = f"{len(stages) - len(waiting)} of {len(stages)} stages done"
        if waiting and None not in expected:
            left = [
                max(0.0, seconds - (now - start.get(stage.name, now)))
                for stage, seconds in zip(waiting, expected, strict=True)
                if seconds is not None
            ]
            first += f", about {duration(sum(left) / side_by_side)} left"
        return "\n".join([first, *(f"  {_describe(one, now)}" for one in running)])

    def stop(self) -> None:
        """End the children that still run; no further one starts."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            _end(process)

    @contextmanager
    def passing_signals_on(self) -> Iterator[None]:
        """Send stages the signals that this process hears, and let them end by themselves; no further one starts.

        Stages then take a signal as they take it without us: a fit saves a checkpoint, a job is put back into SLURM's
        queue. For the main thread, which must also be the one that runs the stages.
        """

        def hear(signum: int, frame: FrameType | None) -> None:
            self._heard.append(signum)
            self._pass_on()

        before = {signum: signal.signal(signum, hear) for signum in FORWARDED}
        self._passes_on = True
        try:
            yield
        finally:
            self._passes_on = False
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def _make(self, stage: Stage, threads: int | None, held: int) -> float:
        earlier = self._records.earlier(stage)
        before, cost = 0.0, Cost()  # of attempts that this one goes on from
        if earlier and earlier.get("digest") != stage.digest():
            # The record proves that the folder is ours; what stands there was made by another configuration.
            shutil.rmtree(stage.folder, ignore_errors=True)
        elif earlier.get("seconds") is None:
            before, cost = earlier.get("attempts", 0.0), Cost.of(earlier.get("cost"))
        expected = self._records.estimate(stage)
        self._records.write(stage, None, before, cost)
        start = time.monotonic()
        with (
            TemporaryDirectory(ignore_cleanup_errors=True) as reports,
            self._showing(RunningStage(stage, start, expected, self.log(stage))),
        ):
            try:
                self._execute(stage, threads, held, Path(reports))
            except BaseException:
                attempts = round(before + time.monotonic() - start, 1)
                self._records.write(stage, None, attempts, cost.joined(read_cost(Path(reports))))
                raise
            seconds = round(before + time.monotonic() - start, 1)
            self._records.write(stage, seconds, 0.0, cost.joined(read_cost(Path(reports))))
        outcome = stage.outcome()
        self._say("done: ", "green", f"{stage.name}, {seconds:.0f} s" + (f": {outcome}" if outcome else ""))
        return seconds

    @contextmanager
    def _showing(self, running: RunningStage) -> Iterator[None]:
        with self._lock:
            self._shown[running.stage.name] = running
        try:
            yield
        finally:
            with self._lock:
                del self._shown[running.stage.name]

    def _execute(self, stage: Stage, threads: int | None, held: int, reports: Path) -> None:
        log = self.log(stage)
        log.parent.mkdir(parents=True, exist_ok=True)
        self._check_stopped()
        arguments = [*stage.arguments, *stage.resume()]
        with log.open("ab") as output:
            with self._lock:
                if self._stopped:
                    raise StageError(stage, 130, log)
                line = shlex.join(["hieramp", *arguments])
                self._say("", "", f"$ {line}")
                output.write(f"$ {line}\n".encode())
                output.flush()
                process = subprocess.Popen(
                    [sys.executable, "-m", "hieramp_lit", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=_clean_environment(threads) | {COST_VARIABLE: str(reports)},
                    preexec_fn=end_with_parent,
                    process_group=0,  # a terminal's Ctrl-C arrives through this process alone
                    pass_fds=(held,),  # it holds its folder until it ends, also where this process is killed before
                )
                self._running[process] = 0
            try:
                self._pass_on()  # what was heard while it was being started
                code = process.wait()
            finally:
                # Reached while it still runs if the user interrupts: no stage outlives the command.
                _end(process)
                with self._lock:
                    self._running.pop(process, None)
        exit_code = code if code >= 0 else 128 - code
        if self._passes_on and exit_code - 128 in FORWARDED:
            # A stage that took SIGUSR1 has put its job back into the queue itself; one that it killed has not.
            raise self._stop(exit_code - 128, f"{stage.name} has ended; its output: {log}.", asked=code > 0)
        missing = [path for path in stage.outputs if not path.exists()]
        if code != 0 or missing:
            raise StageError(stage, exit_code, log, missing if code == 0 else ())

    def log(self, stage: Stage) -> Path:
        """File with a stage's whole output, of all attempts."""
        return self._root / "logs" / f"{slug(stage.name)}.log"

    def _pass_on(self) -> None:
        for process in list(self._running):
            while (told := self._running.get(process, len(self._heard))) < len(self._heard):
                self._running[process] = told + 1
                send_signal(process, self._heard[told])

    def _check_stopped(self) -> None:
        if self._heard:
            raise self._stop(self._heard[0], "no further stage is started.", asked=False)

    def _stop(self, signum: int, what: str, asked: bool) -> RunStoppedError:
        queued = requeue() if signum == signal.SIGUSR1 and not asked else ""
        return RunStoppedError(
            signum, f"{signal_name(signum)}: {what} The same command goes on from here.", None, queued
        )

    def _tell_waiting(self, stage: Stage, holder: str) -> None:
        self._say("waiting: ", "yellow", f"{stage.name} is being made by {holder}")

    def _say(self, label: str, style: str, text: str) -> None:
        # Text and not markup: command lines hold brackets.
        self._console.print(Text.assemble((label, style), text), soft_wrap=True)


def _describe(running: RunningStage, now: float) -> str:
    expected = "" if running.expected is None else f" (the last of its kind: {duration(running.expected)})"
    said = last_progress(running.log)
    return f"{running.stage.name}, {duration(now - running.start)}{expected}" + (f": {said}" if said else "")


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()  # Lightning waits for the end of a step; what it writes is atomic
            process.wait()


def _clean_environment(threads: int | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not _INHERITED_ROLE.fullmatch(name)}
    given = {} if threads is None else {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    return kept | given
