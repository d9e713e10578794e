"""From a sweep file to its trials: the grid in the file's order, or seeded draws."""

import hashlib
import itertools
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hieramp_lit.sweeps.sweep_file import Method, SweepFile, SweepFileError

_ID_DIGITS = 10
_MOST_DRAWS = 100  # per trial that is wanted, where draws may repeat


@dataclass(frozen=True)
class Trial:
    """One choice of all parameters.

    Attributes:
        parameters: As W&B's agent hands them on: dotted names, and a mapping for a nested parameter.
    """

    parameters: Mapping[str, Any]

    @cached_property
    def id(self) -> str:
        """Hash of the parameters. Their order does not matter, nor 5 for 5.0, which W&B's server makes of it."""
        text = json.dumps(_plain(self.parameters), sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS]

    def flat(self) -> dict[str, Any]:
        """Parameters with the keys of mappings joined by dots; an empty mapping stays a value."""
        return dict(_leaves(self.parameters, ()))


def expand(sweep: SweepFile, max_trials: int | None = None, seed: int = 0, method: Method | None = None) -> list[Trial]:
    """The trials of a sweep.

    Args:
        sweep: The file.
        max_trials: Most trials; of a grid the first ones. Random draws go on without end and need it, or `run_cap`.
        seed: Of random draws. More trials of the same seed begin with the same ones.
        method: Instead of the file's.

    Returns:
        Distinct trials.

    Raises:
        SweepFileError: For a Bayesian search, for a grid over a range, for draws without a number of trials.
    """
    method = method or sweep.method
    limits = [limit for limit in (max_trials, sweep.run_cap) if limit is not None]
    most = min(limits) if limits else None
    if method == "bayes":
        raise SweepFileError(
            f"{sweep.path}: method: bayes chooses a trial by the results of those before it, which W&B's server does: "
            "start it with `wandb sweep` and `wandb agent`. Without a server, draw from the same ranges: "
            "--method random --max-trials 20."
        )
    if method == "random" and most is None:
        raise SweepFileError(f"{sweep.path}: method: random has no end. Give --max-trials N, or run_cap in the file.")
    found: dict[str, Trial] = {}
    for trial in _grid(sweep) if method == "grid" else _draws(sweep, seed, most or 0):
        if most is not None and len(found) >= most:
            break
        found.setdefault(trial.id, trial)
    return list(found.values())


def _grid(sweep: SweepFile) -> Iterator[Trial]:
    choices: list[Sequence[Any]] = []
    for place, distribution in sweep.parameters.items():
        values = distribution.choices()
        if values is None:
            raise SweepFileError(
                f"{sweep.path}: parameters.{'.'.join(place)}: a grid needs values to list. Give values: […], or "
                "method: random."
            )
        choices.append(values)
    for values in itertools.product(*choices):
        yield _trial(zip(sweep.parameters, values, strict=True))


def _draws(sweep: SweepFile, seed: int, wanted: int) -> Iterator[Trial]:
    for index in range(_MOST_DRAWS * wanted):
        # A stream of its own for each value, so that a parameter more does not change the others.
        yield _trial(
            (place, distribution.draw(random.Random(f"{seed}/{index}/{'.'.join(place)}")))
            for place, distribution in sweep.parameters.items()
        )


def _trial(values: Iterable[tuple[tuple[str, ...], Any]]) -> Trial:
    parameters: dict[str, Any] = {}
    for (*above, last), value in values:
        inner = parameters
        for name in above:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return Trial(parameters)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _leaves(value: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from _leaves(inner, (*above, key))
        else:
            yield ".".join((*above, key)), inner
