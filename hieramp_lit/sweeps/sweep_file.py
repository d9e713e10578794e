"""W&B sweep files: what they say, read and checked before a trial runs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import yaml

from hieramp_lit.sweeps.distributions import Distribution, read_distribution

Method = Literal["grid", "random", "bayes"]
Goal = Literal["maximize", "minimize"]
_Word = TypeVar("_Word", bound=str)

DEFAULT_COMMAND = ("${env}", "${interpreter}", "${program}", "${args}")
"""What a W&B agent runs where the file names no command."""

_OF_TRIALS = {"program", "method", "metric", "parameters", "command", "run_cap"}
_OF_THE_SERVER = {"name", "description", "project", "entity", "early_terminate", "apiVersion", "kind", "controller"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")  # W&B's own rule
_BEST = re.compile(r"(^|[^a-z])best([^a-z]|$)")


class SweepFileError(ValueError):
    """A sweep file says something impossible; the message names the file and the key."""


@dataclass(frozen=True)
class Metric:
    """What a sweep is judged by.

    Attributes:
        name: Of a number in a trial's summary, e.g. ``student/top1_last``.
        goal: Which way is better.
    """

    name: str
    goal: Goal

    @property
    def peeks(self) -> bool:
        """Whether it chooses the best of several evaluations on the images that also judge."""
        return _BEST.search(self.name) is not None


@dataclass(frozen=True)
class SweepFile:
    """A sweep as its file describes it.

    Attributes:
        path: The file.
        program: What ``${program}`` stands for.
        method: How trials are chosen.
        metric: What they are judged by; None where the file names nothing.
        parameters: By name, in the file's order; the parts of a nested parameter are a tuple: ``("optimizer", "lr")``.
        command: With W&B's macros.
        run_cap: Most trials.
        server_only: Keys of the file that mean something to W&B's server alone.
    """

    path: Path
    program: str
    method: Method
    metric: Metric | None
    parameters: Mapping[tuple[str, ...], Distribution]
    command: tuple[str, ...]
    run_cap: int | None
    server_only: tuple[str, ...]

    @property
    def title(self) -> str:
        """The file's place below a folder ``sweeps``, else its name: ``digits/table3_stage_rho_beta``."""
        parts = self.path.with_suffix("").parts
        below = parts[len(parts) - parts[::-1].index("sweeps") :] if "sweeps" in parts else ()
        return "/".join(below or parts[-1:])


def read_sweep_file(path: Path) -> SweepFile:
    """Read a W&B sweep file.

    Args:
        path: The YAML file.

    Raises:
        FileNotFoundError: If it does not exist.
        SweepFileError: If W&B would not take it, or it cannot be run here.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise SweepFileError(f"{path} is no YAML: {error}") from error
    if not isinstance(values, dict):
        raise SweepFileError(f"{path}: expected the keys of a W&B sweep file (method, metric, parameters, command).")
    unknown = sorted(str(key) for key in set(values) - _OF_TRIALS - _OF_THE_SERVER)
    if unknown:
        raise SweepFileError(
            f"{path}: unknown keys {unknown}. A sweep file has {sorted(_OF_TRIALS)}, and for W&B's server "
            f"{sorted(_OF_THE_SERVER)}."
        )
    methods: tuple[Method, ...] = get_args(Method)
    method = _one_of(path, "method", values.get("method"), methods)
    program = values.get("program")
    if not isinstance(program, str) or not program:
        raise SweepFileError(f"{path}: program={program!r}: expected the name of a command, here hieramp.")
    parameters = values.get("parameters")
    if not isinstance(parameters, dict) or not parameters:
        raise SweepFileError(f"{path}: parameters: expected at least one, NAME: {{values: [...]}}.")
    return SweepFile(
        path=path,
        program=program,
        method=method,
        metric=_metric(path, values.get("metric"), method),
        parameters=dict(_parameters(path, parameters, ())),
        command=_command(path, values.get("command")),
        run_cap=_run_cap(path, values.get("run_cap")),
        server_only=tuple(sorted(set(values) & {"early_terminate", "controller"})),
    )


def _metric(path: Path, value: Any, method: str) -> Metric | None:
    if value is None and method != "bayes":
        return None
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise SweepFileError(f"{path}: metric={value!r}: expected {{name: student/top1_last, goal: maximize}}.")
    goals: tuple[Goal, ...] = get_args(Goal)
    # Left out, W&B would minimize, which nobody means of an accuracy.
    return Metric(value["name"], _one_of(path, "metric.goal", value.get("goal"), goals))


def _one_of(path: Path, key: str, value: Any, allowed: Sequence[_Word]) -> _Word:
    for word in allowed:
        if word == value:
            return word
    raise SweepFileError(f"{path}: {key}={value!r}: expected one of {list(allowed)}.")


def _parameters(
    path: Path, values: Mapping[str, Any], above: tuple[str, ...]
) -> list[tuple[tuple[str, ...], Distribution]]:
    found: list[tuple[tuple[str, ...], Distribution]] = []
    for name, specification in values.items():
        place = (*above, str(name))
        key = f"{path}: parameters.{'.'.join(place)}"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise SweepFileError(f"{key}: W&B takes letters, digits and _ . - in a parameter's name.")
        if name.rpartition(".")[2].isdigit():
            raise SweepFileError(
                f"{key}: an index is no key: it would turn the list into a mapping. Sweep over whole lists, or over "
                "stages, as in generate.model.amplification.beta.coarse."
            )
        if not isinstance(specification, dict):
            raise SweepFileError(
                f"{key}={specification!r}: expected {{value: …}}, {{values: […]}} or {{min: …, max: …}}."
            )
        if set(specification) == {"parameters"} and isinstance(specification["parameters"], dict):
            found += _parameters(path, specification["parameters"], place)
            continue
        try:
            found.append((place, read_distribution(specification)))
        except ValueError as error:
            raise SweepFileError(f"{key}: {error}") from error
    return found


def _command(path: Path, value: Any) -> tuple[str, ...]:
    if value is None:
        return DEFAULT_COMMAND
    if not isinstance(value, list) or not value or any(isinstance(part, dict | list) for part in value):
        raise SweepFileError(f"{path}: command={value!r}: expected a list of words.")
    return tuple(map(str, value))


def _run_cap(path: Path, value: Any) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise SweepFileError(f"{path}: run_cap={value!r}: expected the most trials, 1 or more.")
    return value
