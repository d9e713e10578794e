"""What an inspection found: numbers, and why others are missing."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


class Findings:
    """Named numbers of a set and of its classes.

    Attributes:
        summary: Of the whole set.
        per_class: Of each class, in `cls` order; None where it could not be measured.
        not_measured: Name, or ``per_class/name``, and the reason.
        warnings: What makes numbers less than they seem.
    """

    def __init__(self) -> None:
        self.summary: dict[str, float] = {}
        self.per_class: dict[str, tuple[float | None, ...]] = {}
        self.not_measured: dict[str, str] = {}
        self.warnings: list[str] = []

    def leave_out(self, names: Iterable[str], reason: str) -> None:
        """Say why something is not measured."""
        self.not_measured |= dict.fromkeys(names, reason)

    def attempt(self, names: Iterable[str], measure: Callable[[], T]) -> T | None:
        """Measure; what a metric refuses, for example because of too few images, is left out with its reason.

        Args:
            names: What it would have given.
            measure: Raises `ValueError` to refuse.
        """
        try:
            return measure()
        except ValueError as error:
            self.leave_out(names, str(error))
            return None

    def add_classes(self, name: str, values: Sequence[float | None], reason: str) -> None:
        """Values of the classes.

        Args:
            name: Of the value.
            values: In `cls` order.
            reason: Why some are None.
        """
        self.per_class[name] = tuple(values)
        missing = sum(value is None for value in values)
        if missing:
            self.not_measured[f"per_class/{name}"] = f"{missing} of {len(values)} classes: {reason}"
