"""A trial on disk: what it was asked, what it said, what came of it, and who works on it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from hieramp_lit.files import read_json, write_json
from hieramp_lit.report.results import FILE as RESULT
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.format import LOCK
from hieramp_lit.shards.lock import FolderLock
from hieramp_lit.sweeps.expansion import Trial

Status = Literal["done", "failed", "refused", "running", "waiting"]

SUMMARY = "summary.json"
PARAMETERS = "parameters.json"


@dataclass(frozen=True)
class Outcome:
    """What came of a trial.

    Attributes:
        status: `done`; `failed`, which the same command tries again; `refused` as impossible; `running` in this or
            another process; `waiting`, or stopped on the way.
        reason: Of a failure or a refusal, in its own words; or why numbers that are there do not count.
        seconds: That it took, when it ran.
        summary: Its numbers, once it is done.
    """

    status: Status
    reason: str = ""
    seconds: float | None = None
    summary: Mapping[str, float] | None = None


class TrialFolder:
    """The two folders of a trial: ``trials/<id>``, which its command fills, and ``work/<id>``, which the sweep does.

    A trial is done if and only if its command has written a readable ``summary.json``, and, where the hash of its
    configuration is known, a ``result.json`` of this very hash.

    Args:
        root: The sweep's folder.
        trial: The trial.
        hash: That its result names, ``trial.hash``; None asks for none.
    """

    def __init__(self, root: Path, trial: Trial, hash: str | None = None) -> None:
        self.trial = trial
        self._hash = hash
        self.out = root / "trials" / trial.id
        self._work = root / "work" / trial.id
        self.parameters = self._work / PARAMETERS
        self.log = self._work / "log.txt"
        self.errors = self._work / "errors.txt"
        self._outcome = self._work / "outcome.json"

    def is_done(self) -> bool:
        """Whether its command has come to its end."""
        return self._written().status == "done"

    def outcome(self) -> Outcome:
        """What is known of the trial now."""
        known: dict[str, Any] = read_json(self._outcome) if self._outcome.is_file() else {}
        written = self._written()
        if written.status == "done":
            return replace(written, seconds=known.get("seconds"))
        if self._is_held():
            return Outcome("running")
        if known.get("status") in {"failed", "refused"}:
            return Outcome(cast(Status, known["status"]), known.get("reason", ""), known.get("seconds"))
        return written

    def flaw(self) -> str:
        """Why the numbers that its command has written do not count; empty where they do, or there are none."""
        return self._written().reason

    def _written(self) -> Outcome:
        """What the trial's own folder tells."""
        try:
            if not (self.out / SUMMARY).is_file():
                return Outcome("waiting")
            if self._hash is not None and self._hash_of_result() != self._hash:
                return Outcome("waiting", f"what lies in {self.out} is of another configuration than the present one.")
            return Outcome("done", summary=_numbers(read_json(self.out / SUMMARY)))
        except FileNotFoundError:  # removed meanwhile by its command, which begins anew
            return Outcome("waiting")
        except (OSError, ValueError, AttributeError) as error:
            return Outcome(
                "failed", f"{self.out / SUMMARY} is damaged: {error}. The same command runs the trial again."
            )

    def _hash_of_result(self) -> str | None:
        """None where it cannot be read, or names none."""
        try:
            found = read_json(self.out / RESULT)["trial"]["hash"]
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return found if isinstance(found, str) else None

    def record(self, outcome: Outcome) -> None:
        """Keep what came of it; its numbers stay in ``summary.json``."""
        write_json(self._outcome, {"status": outcome.status, "reason": outcome.reason, "seconds": outcome.seconds})

    def forget(self) -> None:
        """It has not run, or not to an end."""
        self._outcome.unlink(missing_ok=True)

    def claim(self) -> FolderLock | None:
        """Hold the trial for this process; None if another one does. The system lets go when the process ends."""
        try:
            return FolderLock(self._work, first=True, key="trial")
        except ShardError:
            return None

    def _is_held(self) -> bool:
        if not (self._work / LOCK).is_file():
            return False
        claim = self.claim()  # the file of a process that was killed holds nothing
        if claim is not None:
            claim.release()
        return claim is None

    def write_parameters(self) -> None:
        """Write what ``${args_json_file}`` names."""
        write_json(self.parameters, self.trial.parameters)


def _numbers(summary: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in summary.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def known_trials(root: Path) -> list[Trial]:
    """Trials that a sweep's folder has seen, also of earlier commands, by id."""
    found = []
    for path in sorted(root.glob(f"work/*/{PARAMETERS}")):
        with suppress(OSError, ValueError):  # being written on another node
            found.append(Trial(read_json(path)))
    return found
