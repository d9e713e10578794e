"""The accuracy on the full data that hard-label recovery and the label-robust score are made with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hieramp_lit.report import read
from hieramp_lit.report.results import Result


@dataclass(frozen=True)
class FullData:
    """Accuracy of the student on the full data with hard labels, and what it is of.

    Attributes:
        accuracy: Top-1 after the last epoch, in [0, 1].
        facts: What a student of the comparison must share with it, by the name in ``result.json``; nothing of a plain
            number, whose truth is its giver's.
        given: What was given, for errors.
    """

    accuracy: float
    facts: Mapping[str, Any] = field(default_factory=dict)
    given: str = "--full"

    @classmethod
    def of(cls, text: str) -> "FullData":
        """Read a number, or the result of a student on the full data with hard labels.

        Raises:
            ValueError: If it is no share, or the result is of a distilled set or of soft labels.
        """
        facts: dict[str, Any] = {}
        try:
            accuracy = float(text)
        except ValueError:
            result = read(Path(text))
            labels, generator = result["protocol"]["constants"].get("labels"), result["set"]["generator"]
            if labels != "hard" or generator is not None:
                raise ValueError(
                    f"--full {text}: a student with {labels} labels on {result['set']['name']}; expected one with hard "
                    "labels on the full data, as configs/student/digits_teacher.yaml trains it."
                ) from None
            accuracy, facts = float(result["summary"]["mean"]["top1_last"]), facts_of(result)
        if not 0 <= accuracy <= 1:
            raise ValueError(f"--full {text} must lie in [0, 1]: give a share, 0.983 for 98.3 %.")
        return cls(accuracy, facts, f"--full {text}")

    def refuse_another(self, found: Mapping[str, Any], who: str) -> None:
        """Refuse students whose accuracy does not compare with this one.

        Args:
            found: What is known of them, by the names of `facts`.
            who: They, for the error.

        Raises:
            ValueError: With both values of all that differs.
        """
        different = [
            f"{name} is {self.facts[name]!r} there and {value!r} here"
            for name, value in found.items()
            if name in self.facts and self.facts[name] != value
        ]
        if different:
            raise ValueError(
                f"{self.given} does not compare with {who}: {'; '.join(different)}. Recovery is a difference between "
                "students of one network, on the same validation images: train that network on the full data with "
                "hard labels (model.student, model.norm, data.validation as here), or give a number that you vouch for."
            )


def facts_of(result: Result) -> dict[str, Any]:
    """What a student's accuracy depends on beside its training data, by the name in ``result.json``."""
    return {
        "student.architecture": result["student"]["architecture"],
        "student.norm": result["student"].get("norm"),
        "number of classes": len(result["per_seed"][0]["last"]["per_class"]),
        "validation.sha256": result["validation"]["sha256"],
    }
