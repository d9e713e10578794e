"""One stage of a larger command: a `hieramp` command line and the folder it fills; and how it fails."""

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hieramp_lit.files import sha256

PROMPT = "$ hieramp "
"""What each attempt's part of a log begins with."""

_LAST_LINES = 40


@dataclass(frozen=True)
class Stage:
    """One command line and the folder it fills.

    Attributes:
        name: Name in messages; also names its log and its record.
        arguments: What follows `hieramp`.
        folder: What the stage writes. It is emptied before the stage runs with another digest than before.
        needs: Stages whose output it reads; when one of them changes, so does this one.
        outcome: What came out, in a few words, for the line that tells the stage's end.
        identity: Hash of what decides the output, where that is less than arguments, files and code; it then is the
            digest.
        outputs: Files without which it is not done.
        resume: Called when the stage is about to start and its folder is held: makes the folder ready, and answers with
            what to add to the arguments so that an earlier attempt goes on.
    """

    name: str
    arguments: tuple[str, ...]
    folder: Path
    needs: tuple["Stage", ...] = ()
    outcome: Callable[[], str] = str
    identity: str | None = None
    outputs: tuple[Path, ...] = ()
    resume: Callable[[], Sequence[str]] = tuple

    @property
    def command_line(self) -> str:
        """What a user would type."""
        return shlex.join(["hieramp", *self.arguments])

    def digest(self) -> str:
        """Hash of everything that decides the output: arguments, configuration files, our code, earlier stages."""
        if self.identity is not None:
            return self.identity
        files = [value for flag, value in zip(self.arguments, self.arguments[1:], strict=False) if flag == "--config"]
        parts = [
            _code(),
            list(self.arguments),
            [sha256(Path(file)) for file in files],
            [stage.digest() for stage in self.needs],
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class StageError(RuntimeError):
    """A stage ended with an exit code other than zero, or without what it was to write.

    Attributes:
        exit_code: The child's, or 128 + the signal that ended it.
        log: File with its whole output.
    """

    def __init__(self, stage: Stage, exit_code: int, log: Path, missing: Sequence[Path] = ()) -> None:
        wrote = f" and without {', '.join(map(str, missing))}" if missing else ""
        super().__init__(f"{stage.name} failed with exit code {exit_code}{wrote}: {stage.command_line}")
        self.exit_code = exit_code
        self.log = log

    def last_lines(self) -> list[str]:
        """The end of what it said when it ran last."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.is_file() else []
        starts = [number for number, line in enumerate(lines) if line.startswith(PROMPT)]
        return lines[starts[-1] if starts else 0 :][-_LAST_LINES:]


def slug(name: str) -> str:
    """A stage's name as part of a file's."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


@cache
def _code() -> str:
    """Hash of the package, shipped weights included: after an update the stages run again."""
    package = Path(__file__).parents[1]
    files = sorted(path for path in package.rglob("*") if path.suffix in {".py", ".safetensors"})
    names = [f"{path.relative_to(package)} {sha256(path)}" for path in files]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
