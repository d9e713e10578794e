"""A sweep's folder, with the configuration of its trials as it was when the sweep began."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hieramp_lit.files import write_json
from hieramp_lit.sweeps.command import trial_command
from hieramp_lit.sweeps.contents import contents
from hieramp_lit.sweeps.expansion import Trial
from hieramp_lit.sweeps.sweep_file import SweepFile
from hieramp_lit.sweeps.trial_folder import PARAMETERS, TrialFolder

Plan = Callable[[Sequence[str]], str | None]
"""Hash of the trial that a command line asks for; empty where it would be refused, None for an unknown command."""


class SweepFolder:
    """Where a sweep's trials lie, and what each is expected to be of. Nothing is written.

    A trial whose result names its hash is done only if the hash is the one that its configuration has now. Trials of
    other commands are known by their parameters alone; their configurations are in `common`.

    Args:
        sweep: The file.
        root: The folder.
        trials: Those to run; their configurations are read now, others' when they turn out to be done.
        plan: Reads the configuration of a trial.
    """

    def __init__(self, sweep: SweepFile, root: Path, trials: Sequence[Trial], plan: Plan) -> None:
        self.sweep = sweep
        self.root = root
        self._plan = plan
        self._hashes = {trial.id: self._hash(trial) for trial in trials}
        self._names_hashes = None not in self._hashes.values()
        self._contents = self._contents_now()
        self.common: Mapping[str, Any] = {
            "command": [sweep.program if word == "${program}" else word for word in sweep.command],
            "configurations": {} if self._names_hashes else self._contents,
        }
        """What all trials of the folder share."""

    def trial(self, trial: Trial) -> TrialFolder:
        """A trial's own folders."""
        if not self._names_hashes:
            return TrialFolder(self.root, trial)
        if trial.id not in self._hashes and TrialFolder(self.root, trial).is_done():
            self._hashes[trial.id] = self._hash(trial)
        return TrialFolder(self.root, trial, self._hashes.get(trial.id, ""))

    def command(self, trial: Trial, parameters: Path | None = None) -> list[str]:
        """A trial's command line.

        Args:
            trial: The trial.
            parameters: File that holds its parameters, instead of the one in its folder.
        """
        folder = TrialFolder(self.root, trial)
        words = trial_command(
            self.sweep.command, self.sweep.program, trial.parameters, parameters or folder.parameters, os.environ
        )
        return [*words, "--out", str(folder.out)]

    def change(self, trial: Trial) -> str:
        """What has changed of a trial's configuration since the sweep began, in words; empty for nothing."""
        if self._names_hashes:
            before, planned = self._hashes.get(trial.id), self._hash(trial)
            if not (before and planned) or before == planned:  # a trial that is refused says so itself
                self._hashes[trial.id] = planned
                return ""
        now = self._contents_now()
        files = [name for name in {**self._contents, **now} if self._contents.get(name) != now.get(name)]
        return ", ".join(files) or (f"the configuration of trial {trial.id}" if self._names_hashes else "")

    def _hash(self, trial: Trial) -> str | None:
        with TemporaryDirectory() as folder:
            parameters = Path(folder) / PARAMETERS
            write_json(parameters, trial.parameters)
            return self._plan(self.command(trial, parameters))

    def _contents_now(self) -> dict[str, str | None]:
        return contents(
            trial_command(self.sweep.command, self.sweep.program, {}, Path("${args_json_file}"), os.environ)
        )
