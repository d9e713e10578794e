"""A trial's command in a process group of its own, which never outlives the sweep."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from hieramp_lit.jobs import end_with_parent, signal_name
from hieramp_lit.shards.lock import FolderLock
from hieramp_lit.sweeps.trial_folder import SUMMARY, Outcome, TrialFolder

REFUSED = 2
"""Exit code of a command that will not run such a trial."""

_MOST_OF_A_REASON = 600  # characters
_REFUSAL = re.compile(r"^refused: ", re.MULTILINE)
_ERROR = re.compile(r"^.*?\berror: ", re.MULTILINE)


@dataclass(frozen=True)
class Slot:
    """Where one trial at a time runs.

    Attributes:
        name: For the user.
        environment: What it adds to the environment: a device, a number of threads.
    """

    name: str
    environment: Mapping[str, str]


class TrialProcess:
    """A running trial.

    Args:
        folder: Of the trial.
        claim: The hold on it, let go when it ends.
        command: Words of its command line.
        slot: Where it runs.
        environment: Of the sweep.

    Raises:
        OSError: If the command cannot be started.
    """

    def __init__(
        self,
        folder: TrialFolder,
        claim: FolderLock,
        command: Sequence[str],
        slot: Slot,
        environment: Mapping[str, str],
    ) -> None:
        self.folder = folder
        self.slot = slot
        self._claim = claim
        self._start = time.monotonic()
        folder.forget()
        try:
            with folder.log.open("wb") as log, folder.errors.open("wb") as errors:
                self._process = subprocess.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=errors,
                    env={**environment, **slot.environment},
                    preexec_fn=end_with_parent,
                    process_group=0,  # a terminal's Ctrl-C reaches it through the sweep alone
                )
        except BaseException:
            claim.release()
            raise

    @property
    def seconds(self) -> float:
        """That it has run."""
        return time.monotonic() - self._start

    def conclude(self) -> Outcome:
        """Once it has ended: what came of it, recorded; others may have the trial."""
        outcome = self._judge(self._process.wait(), round(self.seconds, 1))
        self.folder.record(outcome)
        self._claim.release()
        return outcome if outcome.status != "done" else self.folder.outcome()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """End it by force, with all that it has started. It counts as not run, unless it is done."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._claim.release()

    def _judge(self, code: int, seconds: float) -> Outcome:
        if code == 0 and self.folder.is_done():
            return Outcome("done", seconds=seconds)
        said = last_message(self.folder.errors.read_text(errors="replace"))
        if code == 0:
            missing = self.folder.flaw() or f"its command ended without {self.folder.out / SUMMARY}."
            return Outcome("failed", f"{missing} {said}".strip(), seconds)
        if code == REFUSED:
            return Outcome("refused", said or "refused without a word", seconds)
        number = -code if code < 0 else code - 128
        how = f"ended by {signal_name(number)}" if number in set(signal.Signals) else f"exit code {code}"
        return Outcome("failed", f"{how}: {said}" if said else how, seconds)


def last_message(errors: str) -> str:
    """The reason in what a command wrote to standard error.

    It begins after the last ``refused:``, else after the last ``error:``, to which that of a stage before it is added;
    without either it is the last line.
    """
    refusals = list(_REFUSAL.finditer(errors))
    messages = list(_ERROR.finditer(errors))
    if refusals:
        text = errors[refusals[-1].end() :]
    elif messages:
        text = errors[messages[-1].end() :]
        if len(messages) > 1:
            text = f"{errors[messages[-2].end() :].splitlines()[0]} – {text}"
    else:
        text = (errors.strip().splitlines() or [""])[-1]
    text = " ".join(text.split())
    return text if len(text) <= _MOST_OF_A_REASON else f"{text[:_MOST_OF_A_REASON]}…"
