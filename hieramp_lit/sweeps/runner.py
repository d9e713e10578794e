"""Runs the trials of a sweep side by side, goes on after failures, and leaves nothing running."""

import os
import signal
import statistics
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from hieramp_lit.jobs import RunStoppedError, job_id, requeue, signal_name
from hieramp_lit.pace import duration
from hieramp_lit.stages import last_progress
from hieramp_lit.sweeps.expansion import Trial
from hieramp_lit.sweeps.process import Slot, TrialProcess
from hieramp_lit.sweeps.sweep_file import SweepFileError
from hieramp_lit.sweeps.sweep_folder import SweepFolder
from hieramp_lit.sweeps.trial_folder import Outcome, TrialFolder

_BETWEEN_LOOKS = 0.1  # seconds
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
_OF_SLURM = (signal.SIGTERM, signal.SIGUSR1)
_PATIENCE = 20.0  # seconds
_PATIENCE_IN_A_JOB = 240.0  # of the 300 that sweeps/slurm_array.sh asks SLURM for
_OF_AN_AGENT = ("WANDB_RUN_ID", "WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH")


@dataclass(frozen=True)
class Event:
    """A trial has started or ended.

    Attributes:
        trial: The trial.
        outcome: `running`, or what came of it.
        slot: Where it runs.
        left: Trials that this runner has not ended yet.
        seconds_left: What these will take, if that can be told.
    """

    trial: Trial
    outcome: Outcome
    slot: Slot
    left: int
    seconds_left: float | None


class SweepRunner:
    """Runs trials, one in each slot.

    Args:
        folder: Of the sweep: its command is run, with the trial's own folder as ``--out``.
        slots: Devices, or shares of the processor.
        tell: Hears of each trial that starts or ends.
    """

    def __init__(self, folder: SweepFolder, slots: Sequence[Slot], tell: Callable[[Event], None]) -> None:
        self._folder = folder
        self._free = list(slots)
        self._tell = tell
        self._change = ""
        self._waiting: deque[TrialFolder] = deque()
        self._held: list[TrialFolder] = []
        self._running: list[TrialProcess] = []
        self._seconds: list[float] = []
        self._total = 0
        self._began = time.monotonic()

    def run(self, trials: Sequence[Trial]) -> None:
        """Run what is not done and not held by another process.

        Args:
            trials: In the order to run them in.

        Raises:
            OSError: If the command cannot be started at all.
            RunStoppedError: After SIGINT, SIGTERM or SIGUSR1; the trials have ended before.
            SweepFileError: If a configuration has changed since the sweep began; trials that ran then have come to
                their end.
        """
        with _heard_signals() as heard:
            try:
                folders = [self._folder.trial(trial) for trial in trials]
                self._total, self._began = len(folders), time.monotonic()
                self._run(deque(folder for folder in folders if not folder.is_done()), heard)
                # Those that another process held a while ago: it may have been killed.
                self._run(deque(self._held), heard)
            finally:
                self._end(heard)
        if heard:
            queued = requeue() if heard[0] == signal.SIGUSR1 else ""
            raise RunStoppedError(
                heard[0],
                f"{signal_name(heard[0])}: stopped. Trials that are done are kept: the same command goes on.",
                queued=queued,
            )
        if self._change:
            raise SweepFileError(
                f"{self._change} changed while the sweep ran: it ends here, so that no table mixes trials of two "
                "configurations. The same command goes on with what is there now, and runs again what it changes."
            )

    def describe(self) -> str:
        """What goes on now, in lines for people: how many have ended, how long the rest takes, what runs and says."""
        running = list(self._running)
        left = len(self._waiting) + len(running) + len(self._held)
        seconds = self._seconds_left(running)
        rest = "" if seconds is None or not left else f", about {duration(seconds)} left"
        first = f"{self._total - left} of {self._total} trials ended, {duration(time.monotonic() - self._began)}{rest}"
        return "\n".join([first, *(f"  {_describe(process)}" for process in running)])

    def _run(self, waiting: deque[TrialFolder], heard: Sequence[int]) -> None:
        self._waiting = waiting
        while (self._waiting or self._running) and not heard:
            while self._free and self._waiting and not self._change:
                self._start(self._waiting.popleft())
            if self._change:
                self._waiting.clear()
                self._held.clear()
            for process in [process for process in self._running if not process.alive]:
                self._running.remove(process)
                self._free.append(process.slot)
                outcome = process.conclude()
                if outcome.status == "done" and outcome.seconds is not None:
                    self._seconds.append(outcome.seconds)
                self._report(process.folder.trial, outcome, process.slot)
            if self._running:
                time.sleep(_BETWEEN_LOOKS)

    def _start(self, folder: TrialFolder) -> None:
        if folder.is_done():
            return
        claim = folder.claim()
        if claim is None:
            self._held.append(folder)
            return
        if folder.is_done():  # by who held it a moment ago
            claim.release()
            return
        self._change = self._folder.change(folder.trial)
        if self._change:
            claim.release()
            return
        folder = self._folder.trial(folder.trial)
        folder.write_parameters()
        slot = self._free.pop(0)
        self._running.append(TrialProcess(folder, claim, self._folder.command(folder.trial), slot, _environment()))
        self._report(folder.trial, Outcome("running"), slot)

    def _report(self, trial: Trial, outcome: Outcome, slot: Slot) -> None:
        left = len(self._waiting) + len(self._running)
        self._tell(Event(trial, outcome, slot, left, self._seconds_left(list(self._running))))

    def _seconds_left(self, running: Sequence[TrialProcess]) -> float | None:
        """Of the trials that run or wait; None before the first has come to its end."""
        if not self._seconds:
            return None
        each = statistics.median(self._seconds)  # not the mean, since the first trials also make what all share
        begun = sum(max(0.0, each - process.seconds) for process in running)
        return (begun + each * len(self._waiting)) / max(1, len(running) + len(self._free))

    def _end(self, heard: Sequence[int]) -> None:
        for process in self._running:
            process.ask_to_end()
        until = time.monotonic() + patience(heard[0] if heard else None)
        impatient = 2  # Ctrl-C twice
        while any(process.alive for process in self._running) and time.monotonic() < until:
            if heard.count(signal.SIGINT) >= impatient:
                break
            time.sleep(_BETWEEN_LOOKS)
        for process in self._running:
            process.end()
        self._running.clear()


def _describe(process: TrialProcess) -> str:
    said = last_progress(process.folder.log)
    told = f"{process.folder.trial.id} on {process.slot.name}, {duration(process.seconds)}"
    return f"{told}: {said}" if said else told


def patience(signum: int | None) -> float:
    """Seconds that trials have to end by themselves: long where SLURM warns well before it ends the job.

    Args:
        signum: The signal that ends the sweep; None without one.
    """
    return _PATIENCE_IN_A_JOB if signum in _OF_SLURM and job_id() is not None else _PATIENCE


def _environment() -> dict[str, str]:
    """This command's own, with the programs beside its Python first, and without the run of a W&B agent.

    Trials record nothing in W&B unless ``WANDB_MODE`` says so: the files of a sweep name a project for its agents.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _OF_AN_AGENT}
    own = str(Path(sys.executable).parent)
    return {"WANDB_MODE": "disabled", **kept, "PATH": os.pathsep.join([own, kept["PATH"]]) if kept.get("PATH") else own}


@contextmanager
def _heard_signals() -> Iterator[list[int]]:
    """Collect signals in place of what they would do."""
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # elsewhere Python takes no signals
        yield heard
        return

    def hear(signum: int, frame: FrameType | None) -> None:
        heard.append(signum)

    before = {signum: signal.signal(signum, hear) for signum in _SIGNALS}
    try:
        yield heard
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
