"""Students of one configuration on one set, under several seeds: one cell of a table.

A cell lies in a folder named by a hash of its configuration, its weights and its set, so that whatever changes makes
another cell, and training that took hours is never thrown away.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from hieramp_lit.commands.students import CONFIG
from hieramp_lit.distill.checks import check_students
from hieramp_lit.distill.content import decisive_values, stage_hash
from hieramp_lit.lightning_cli import parse, without_misleading_noise
from hieramp_lit.report import aggregate, read
from hieramp_lit.report.results import FILE, Result
from hieramp_lit.shards import ShardSet
from hieramp_lit.stages import Stage, StageRunner

_HASH_LENGTH = 12

RunStage = Callable[[Stage, Path], None]
"""Runs a stage; its log, record and lock lie in the folder given."""


def in_processes(runner: Callable[[Path], StageRunner], threads: int | None) -> RunStage:
    """Run each stage in a process of its own that hears the signals this one hears.

    Args:
        runner: Makes a runner for a folder of logs and records.
        threads: CPU threads of each; None leaves it to the environment.
    """

    def run(stage: Stage, root: Path) -> None:
        stages = runner(root)
        with stages.passing_signals_on():
            stages.run(stage, threads)

    return run


@dataclass(frozen=True)
class StudentArguments:
    """How students are trained: arguments of ``hieramp fit``, without those of a single student.

    Attributes:
        words: ``--config FILE`` and ``--model.KEY VALUE`` …, later ones over earlier ones.
    """

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        own = {
            "--data.path": "sets are named before all flags",
            "--model.seed": "give --seeds",
            "--model.output": "results go to --out",
            "--model.export": "weights lie beside the results if you train with `hieramp students`",
            "--ckpt_path": "what was interrupted goes on by itself",
        }
        for word in self.words:
            name = word.partition("=")[0].replace(".init_args.", ".")
            if name in own:
                raise ValueError(f"{name} cannot be set here: {own[name]}.")

    def adding(self, *words: str) -> "StudentArguments":
        """The same with further arguments, which win."""
        return StudentArguments((*self.words, *words))

    @cached_property
    def values(self) -> dict[str, Any]:
        """The whole configuration, defaults included, as ``--print_config`` shows it; of the set it knows nothing.

        Raises:
            SystemExit: If a key or value is refused; the parser has said which.
            ValueError: If it trains no student on a set, or there is no such network.
        """
        with without_misleading_noise():
            cli = parse([*self.words, "--data.path", "SET"], "students", "Train students.")
        values: dict[str, Any] = yaml.safe_load(cli.parser.dump(cli.config, skip_unset=False, format="yaml"))
        check_students(values)
        return values

    @property
    def labels(self) -> str:
        """``soft`` or ``hard``, as ``model.protocol.labels`` says."""
        return str(self.values["model"]["init_args"]["protocol"]["labels"])

    @cached_property
    def decisive(self) -> dict[str, Any]:
        """What of it decides the students, weights by their content.

        Raises:
            ValueError: If weights do not exist, or as `values`.
        """
        return decisive_values("students", self.values)


@dataclass(frozen=True)
class Cell:
    """Students on a set, one a seed.

    Attributes:
        title: For messages.
        arguments: How they are trained.
        shards: Folder of the set.
        seeds: Of the students.
        folder: Of their results.
    """

    title: str
    arguments: StudentArguments
    shards: Path
    seeds: tuple[int, ...]
    folder: Path

    @classmethod
    def of(cls, title: str, arguments: StudentArguments, shards: ShardSet, seeds: Sequence[int], root: Path) -> "Cell":
        """The cell of these students below a folder of cells.

        Args:
            title: For messages.
            arguments: How they are trained.
            shards: The set.
            seeds: Of the students; they are no part of the folder's name, so that more can be added.
            root: Folder of cells.

        Raises:
            ValueError: If weights do not exist or the configuration trains no students.
        """
        digest = stage_hash("students", arguments.decisive, [shards.manifest.hash])
        return cls(title, arguments, shards.path, tuple(seeds), root / digest[:_HASH_LENGTH])

    @property
    def files(self) -> dict[int, Path]:
        """The result of each seed."""
        return {seed: self.folder / f"seed-{seed}" / FILE for seed in self.seeds}

    @property
    def missing(self) -> list[int]:
        """Seeds that are not trained yet."""
        return [seed for seed, file in self.files.items() if not file.is_file()]

    def stage(self) -> Stage:
        """What trains the missing seeds, by the command that a user would type."""
        missing = tuple(map(str, self.missing))
        arguments = (*self.arguments.words, "--data.path", str(self.shards.resolve()))
        return Stage(
            f"{self.title}, {self.folder.name}, seeds {' '.join(missing)}",
            ("students", *arguments, "--seeds", *missing, "--out", str(self.folder)),
            self.folder,
            identity=self.folder.name,
            outputs=tuple(self.files[int(seed)] for seed in missing),
            resume=self._forget_configuration,
        )

    def _forget_configuration(self) -> Sequence[str]:
        """The folder holds the first call's whole configuration; ours may differ in what does not decide students."""
        (self.folder / CONFIG).unlink(missing_ok=True)
        return ()

    def result(self, reference: "Cell | None" = None) -> Result:
        """The results of all seeds as one.

        Args:
            reference: The same students on random real images.

        Raises:
            ValueError: If results of the folder, or of the two folders, are of different experiments.
        """
        results = [read(file) for file in self.files.values()]
        if reference is None:
            try:
                return aggregate(results)
            except ValueError as error:
                raise ValueError(
                    f"{self.title}: {error}. These are the seeds of {self.folder}, trained before and after something "
                    f"changed. Delete {self.folder} and run the same command again: they are trained anew."
                ) from error
        beside = reference.result()
        try:
            return aggregate(results, beside)
        except ValueError as error:
            raise ValueError(
                f"{self.title} and {reference.title}: {error}. One was trained before something changed and the other "
                f"after it. Delete the older one of {self.folder} and {reference.folder}, and run the same command "
                "again: it is trained anew."
            ) from error


def train(cell: Cell, run: RunStage, records: Path) -> Result:
    """Train what is not trained yet.

    Args:
        cell: The students.
        run: See `RunStage`.
        records: Folder of logs and records.

    Returns:
        The results of all seeds as one.

    Raises:
        RunStoppedError: If a signal ends it; the same call goes on.
        StageError: If training fails.
    """
    if cell.missing:
        run(cell.stage(), records)
    return cell.result()
