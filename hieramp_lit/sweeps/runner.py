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

from hieramp_lit.jobs import RunStoppedError, requeue, signal_name
from hieramp_lit.sweeps.command import trial_command
from hieramp_lit.sweeps.expansion import Trial
from hieramp_lit.sweeps.process import Slot, TrialProcess
from hieramp_lit.sweeps.sweep_file import SweepFile
from hieramp_lit.sweeps.trial_folder import Outcome, TrialFolder

_BETWEEN_LOOKS = 0.1  # seconds
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
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
        sweep: The file: its command is run, with the trial's own folder as ``--out``.
        root: The sweep's folder.
        slots: Devices, or shares of the processor.
        tell: Hears of each trial that starts or ends.
        patience: Seconds that trials have to end by themselves after a signal.
    """

    def __init__(
        self,
        sweep: SweepFile,
        root: Path,
        slots: Sequence[Slot],
        tell: Callable[[Event], None],
        patience: float = 20.0,
    ) -> None:
        self._sweep = sweep
        self._root = root
        self._free = list(slots)
        self._tell = tell
        self._patience = patience
        self._waiting: deque[TrialFolder] = deque()
        self._held: list[TrialFolder] = []
        self._running: list[TrialProcess] = []
        self._seconds: list[float] = []

    def run(self, trials: Sequence[Trial]) -> None:
        """Run what is not done and not held by another process.

        Args:
            trials: In the order to run them in.

        Raises:
            OSError: If the command cannot be started at all.
            RunStoppedError: After SIGINT, SIGTERM or SIGUSR1; the trials have ended before.
        """
        with _heard_signals() as heard:
            try:
                folders = (TrialFolder(self._root, trial) for trial in trials)
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

    def command(self, folder: TrialFolder) -> list[str]:
        """A trial's command line."""
        words = trial_command(
            self._sweep.command, self._sweep.program, folder.trial.parameters, folder.parameters, os.environ
        )
        return [*words, "--out", str(folder.out)]

    def _run(self, waiting: deque[TrialFolder], heard: Sequence[int]) -> None:
        self._waiting = waiting
        while (self._waiting or self._running) and not heard:
            while self._free and self._waiting:
                self._start(self._waiting.popleft())
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
        folder.write_parameters()
        slot = self._free.pop(0)
        self._running.append(TrialProcess(folder, claim, self.command(folder), slot, _environment()))
        self._report(folder.trial, Outcome("running"), slot)

    def _report(self, trial: Trial, outcome: Outcome, slot: Slot) -> None:
        left = len(self._waiting) + len(self._running)
        seconds = None
        if self._seconds:  # the median, since the first trials also make what all share
            seconds = statistics.median(self._seconds) * left / (len(self._running) + len(self._free))
        self._tell(Event(trial, outcome, slot, left, seconds))

    def _end(self, heard: Sequence[int]) -> None:
        for process in self._running:
            process.ask_to_end()
        until = time.monotonic() + self._patience
        impatient = 2  # Ctrl-C twice
        while any(process.alive for process in self._running) and time.monotonic() < until:
            if heard.count(signal.SIGINT) >= impatient:
                break
            time.sleep(_BETWEEN_LOOKS)
        for process in self._running:
            process.end()
        self._running.clear()


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
