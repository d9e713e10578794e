"""A sweep's folder: every trial with its parameters and numbers, and the best one's own story."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hieramp_lit.files import read_json
from hieramp_lit.report.content.checking import DamagedError
from hieramp_lit.report.content.read_trial import read_trial
from hieramp_lit.report.content.story import Member, Story, same_plan
from hieramp_lit.report.results import FILE
from hieramp_lit.sweeps import Trial, describe, short_names

TOLERANCE = 1e-12


@dataclass(frozen=True)
class SweptTrial:
    """One trial of a sweep.

    Attributes:
        id: Name of its folder.
        status: As in `sweeps.trial_folder.Outcome`.
        reason: Of a failure or a refusal.
        seconds: Of its command.
        parameters: As the sweep chose them.
        summary: Its numbers; empty where it is not done.
        folder: Of its results.
    """

    id: str
    status: str
    reason: str
    seconds: float | None
    parameters: Mapping[str, Any]
    summary: Mapping[str, float]
    folder: Path

    @property
    def story(self) -> Story | None:
        """Its own story; None where it left no result that can be read."""
        return self._read[0]

    @property
    def fault(self) -> str:
        """What is wrong with its result; empty where it can be read, or is not there."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[Story | None, str]:
        file = self.folder / FILE
        if not file.is_file():
            return None, ""
        try:
            content = read_json(file)
            return (read_trial(content, file) if "trial" in content else None), ""
        except DamagedError as error:
            return None, str(error)
        except (OSError, ValueError) as error:
            return None, f"{file} cannot be read: {error}."
        except (LookupError, TypeError, AttributeError) as error:
            return None, f"{file} is damaged, or not by this release ({type(error).__name__}: {error})."


@dataclass(frozen=True)
class Sweep:
    """A sweep.

    Attributes:
        name: For people.
        path: Its folder.
        metric: What it is judged by; None where its file names nothing.
        goal: ``maximize`` or ``minimize``.
        trials: In the sweep's order.
        command: Of its trials, with W&B's macros.
        file: The sweep file, as it was typed; by its name where the table is older than that.
    """

    name: str
    path: Path
    metric: str | None
    goal: str
    trials: tuple[SweptTrial, ...]
    command: tuple[str, ...]
    file: str

    def value(self, trial: SweptTrial) -> float | None:
        """A trial's number in the metric."""
        return None if self.metric is None else trial.summary.get(self.metric)

    @property
    def ranked(self) -> tuple[SweptTrial, ...]:
        """From best to worst; those without a number behind them, in the sweep's order."""
        sign = -1.0 if self.goal == "maximize" else 1.0

        def place(trial: SweptTrial) -> tuple[bool, float]:
            value = self.value(trial)
            return (value is None, 0.0 if value is None else sign * value)

        return tuple(sorted(self.trials, key=place))

    @property
    def best(self) -> SweptTrial | None:
        """The best trial; the first one that is done where nothing tells which is best; None if none is done."""
        first = self.ranked[0] if self.trials else None
        if first is not None and self.value(first) is not None:
            return first
        return next((trial for trial in self.trials if trial.summary), None)

    @property
    def off(self) -> SweptTrial | None:
        """The first trial that amplifies nothing; None without one."""
        return next((trial for trial in self.trials if is_off(trial)), None)

    def words(self, trial: SweptTrial) -> str:
        """A trial's parameters that differ between trials, in a line."""
        as_trials = [Trial(one.parameters) for one in self.trials]
        return describe(Trial(trial.parameters), short_names(as_trials, varying=True)) or trial.id


def read_sweep(content: Mapping[str, Any], file: Path) -> Sweep:
    """Read a ``sweep.json``.

    Args:
        content: Its content.
        file: The file; trials lie beside it.
    """
    metric = content.get("metric") or {}
    trials = [
        SweptTrial(
            str(one["id"]), str(one["status"]), str(one["reason"] or ""), one["seconds"], one["parameters"],
            one["summary"] or {}, file.parent / "trials" / str(one["id"]),
        )
        for one in content["trials"]
    ]  # fmt: skip
    return Sweep(
        str(content["sweep"]),
        file.parent,
        metric.get("name"),
        metric.get("goal", "maximize"),
        tuple(trials),
        tuple(map(str, (content.get("common") or {}).get("command", ()))),
        str(content.get("file") or f"sweeps/{content['sweep']}.yaml"),
    )


def is_off(trial: SweptTrial) -> bool:
    """Whether its schedule amplifies nothing: every ρ is 0."""
    shares = [value for name, value in trial.summary.items() if name.startswith("rho/")]
    return bool(shares) and all(abs(value) < TOLERANCE for value in shares)


def best_story(sweep: Sweep) -> Story | None:
    """The best trial's story, beside the set that amplifies nothing: its own, the sweep's where that tells more."""
    best = sweep.best
    story = None if best is None else best.story
    if best is None or story is None:
        return None
    off = sweep.off
    others = story.members[1:]
    if off is not None and off is not best and off.story is not None:
        others = _with_plain(story.main, others, off.story.main)
    return replace(story, name=f"Best trial: {sweep.words(best)}", members=(story.main, *others))


def _with_plain(main: Member, others: tuple[Member, ...], off: Member) -> tuple[Member, ...]:
    """Lay the sweep's plain member beside, unless the trial's own is judged or no worse.

    The one that is judged, and the one whose set is of the same plan; both if these are two.
    """
    own = next((member for member in others if member.kind == "plain"), None)
    if own is not None and own.result is not None:
        return others
    rest = tuple(member for member in others if member is not own)
    if own is None or not own.draws or _same_plan(main, off):
        return (off, *rest)
    if off.result is None:
        return others
    return (own, replace(off, draws=()), *rest) if _same_plan(main, own) else (off, *rest)


def _same_plan(main: Member, plain: Member) -> bool:
    return bool(main.draws and plain.draws) and same_plan(main.draws[0], plain.draws[0])
