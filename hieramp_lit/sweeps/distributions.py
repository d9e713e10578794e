"""What a parameter of a sweep may be: W&B's distributions, of which a draw here follows the same law."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

_OTHERS_OF_WANDB = (
    "log_uniform", "inv_log_uniform", "inv_log_uniform_values", "q_log_uniform", "q_log_uniform_values", "q_normal",
    "log_normal", "q_log_normal", "beta", "q_beta", "categorical_w_probabilities",
)  # fmt: skip


class Distribution(Protocol):
    """Where the values of one parameter come from."""

    def choices(self) -> Sequence[Any] | None:
        """All values, in the file's order; None where there are too many to list."""
        ...

    def draw(self, rng: random.Random) -> Any:
        """One value."""
        ...


@dataclass(frozen=True)
class Categorical:
    """One of some values, each as likely (`constant`: the only one)."""

    values: tuple[Any, ...]

    def choices(self) -> Sequence[Any]:
        """All values."""
        return self.values

    def draw(self, rng: random.Random) -> Any:
        """One value."""
        return rng.choice(self.values)


@dataclass(frozen=True)
class IntUniform:
    """Whole numbers from `low` to `high`, both included."""

    low: int
    high: int

    def choices(self) -> Sequence[int]:
        """All numbers."""
        return range(self.low, self.high + 1)

    def draw(self, rng: random.Random) -> int:
        """One number."""
        return rng.randint(self.low, self.high)


@dataclass(frozen=True)
class Uniform:
    """Numbers between two others; `q` rounds to its multiples (`q_uniform`), `logarithmic` is even in the logarithm."""

    low: float
    high: float
    q: float | None = None
    logarithmic: bool = False

    def choices(self) -> None:
        """None: too many to list."""
        return

    def draw(self, rng: random.Random) -> float:
        """One number."""
        if self.logarithmic:
            return min(self.high, max(self.low, math.exp(rng.uniform(math.log(self.low), math.log(self.high)))))
        number = rng.uniform(self.low, self.high)
        return number if self.q is None else round(round(number / self.q) * self.q, 12)


@dataclass(frozen=True)
class Normal:
    """A normal distribution."""

    mu: float
    sigma: float

    def choices(self) -> None:
        """None: too many to list."""
        return

    def draw(self, rng: random.Random) -> float:
        """One number."""
        return rng.gauss(self.mu, self.sigma)


def read_distribution(specification: Mapping[str, Any]) -> Distribution:
    """Read what stands under a parameter's name.

    Args:
        specification: ``{value: …}``, ``{values: […]}``, ``{min: …, max: …}`` (whole numbers mean whole numbers), or
            more keys with the distribution's name under ``distribution``.

    Raises:
        ValueError: If W&B or this class of runs does not know it; says what is possible.
    """
    name = specification.get("distribution") or _implied(specification)
    if name in _OTHERS_OF_WANDB:
        raise ValueError(
            f"distribution={name!r} is W&B's, but not drawn here. Here: {', '.join(_READERS)}; or start the sweep with "
            "`wandb sweep`."
        )
    if name not in _READERS:
        raise ValueError(
            f"{dict(specification)}: expected value, values, or min and max, or one of {', '.join(_READERS)}."
        )
    allowed, reader = _READERS[name]
    surplus = sorted(set(specification) - allowed - {"distribution"})
    if surplus:
        raise ValueError(f"{surplus} mean nothing for the distribution {name}, which has {sorted(allowed)}.")
    return reader(specification)


def _implied(specification: Mapping[str, Any]) -> str | None:
    if "value" in specification:
        return "constant"
    if "probabilities" in specification:
        return "categorical_w_probabilities"
    if "values" in specification:
        return "categorical"
    if {"min", "max"} <= set(specification):
        return "int_uniform" if all(_is_whole(specification[key]) for key in ("min", "max")) else "uniform"
    return None


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(specification: Mapping[str, Any], key: str, default: float | None = None) -> float:
    value = specification.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{key}={value!r}: expected a number (YAML takes 1e-3 for a word: write 1.0e-3).")
    return float(value)


def _bounds(specification: Mapping[str, Any]) -> tuple[float, float]:
    low, high = _number(specification, "min"), _number(specification, "max")
    if low >= high:
        raise ValueError(f"min={low:g}, max={high:g}: min must be the smaller one.")
    return low, high


def _constant(specification: Mapping[str, Any]) -> Distribution:
    if "value" not in specification:
        raise ValueError("a constant needs `value`.")
    return Categorical((specification["value"],))


def _categorical(specification: Mapping[str, Any]) -> Distribution:
    values = specification.get("values")
    if not isinstance(values, list) or not values:
        raise ValueError(f"values={values!r}: expected a list of at least one value.")
    return Categorical(tuple(values))


def _int_uniform(specification: Mapping[str, Any]) -> Distribution:
    low, high = _bounds(specification)
    if low != int(low) or high != int(high):
        raise ValueError(f"min={low}, max={high}: int_uniform takes whole numbers.")
    return IntUniform(int(low), int(high))


def _uniform(specification: Mapping[str, Any]) -> Distribution:
    return Uniform(*_bounds(specification))


def _q_uniform(specification: Mapping[str, Any]) -> Distribution:
    q = _number(specification, "q", 1.0)
    if q <= 0:
        raise ValueError(f"q={q:g}: expected a step above 0.")
    return Uniform(*_bounds(specification), q=q)


def _log_uniform_values(specification: Mapping[str, Any]) -> Distribution:
    low, high = _bounds(specification)
    if low <= 0:
        raise ValueError(f"min={low:g}: a logarithm needs numbers above 0.")
    return Uniform(low, high, logarithmic=True)


def _normal(specification: Mapping[str, Any]) -> Distribution:
    sigma = _number(specification, "sigma", 1.0)
    if sigma < 0:
        raise ValueError(f"sigma={sigma:g}: expected 0 or more.")
    return Normal(_number(specification, "mu", 0.0), sigma)


_READERS = {
    "constant": ({"value"}, _constant),
    "categorical": ({"values"}, _categorical),
    "int_uniform": ({"min", "max"}, _int_uniform),
    "uniform": ({"min", "max"}, _uniform),
    "q_uniform": ({"min", "max", "q"}, _q_uniform),
    "log_uniform_values": ({"min", "max"}, _log_uniform_values),
    "normal": ({"mu", "sigma"}, _normal),
}
"""Distributions by W&B's names: the keys that each takes, and what reads them."""
