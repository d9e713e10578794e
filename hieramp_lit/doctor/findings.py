"""What a check says: one line, whether it is well, and what to do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hieramp_lit.files import write_json

Status = Literal["ok", "warning", "error"]
STYLES: dict[Status, str] = {"ok": "green", "warning": "yellow", "error": "bold red"}
REFUSALS = (ValueError, RuntimeError, OSError)
"""What our own code raises where a part of a set-up cannot be."""


@dataclass(frozen=True)
class Finding:
    """One line of a report.

    Attributes:
        check: What was looked at, in a few words.
        status: ``ok``; ``warning``, where it runs but perhaps not as meant; ``error``, where it cannot.
        text: What was found.
        remedy: What to do; empty where all is well, or where `text` says it.
        facts: The numbers behind it, as plain JSON values.
    """

    check: str
    status: Status
    text: str
    remedy: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnosis:
    """All that was found.

    Attributes:
        subject: What was examined.
        findings: In the order of the checks.
    """

    subject: str
    findings: Sequence[Finding]

    def count(self, status: Status) -> int:
        """Findings of this status."""
        return sum(finding.status == status for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "subject": self.subject,
            "errors": self.count("error"),
            "warnings": self.count("warning"),
            "findings": [
                {
                    "check": finding.check,
                    "status": finding.status,
                    "text": finding.text,
                    "remedy": finding.remedy,
                    "facts": dict(finding.facts),
                }
                for finding in self.findings
            ],
        }

    def write(self, path: Path) -> None:
        """Write the JSON file, replacing it atomically."""
        write_json(path, self.to_json())

    def show(self, console: Console) -> None:
        """Print a line for each finding, and how many are not well."""
        table = Table(title=Text(f"hieramp doctor: {self.subject}"), title_justify="left", show_lines=False)
        for heading in ("", "check", "finding"):
            table.add_column(heading, no_wrap=heading != "finding")
        for finding in self.findings:
            # Text and not markup: messages hold brackets.
            said = Text(finding.text)
            if finding.remedy:
                said.append(f"\n→ {finding.remedy}", style="bold")
            table.add_row(Text(finding.status, style=STYLES[finding.status]), finding.check, said)
        console.print(table)
        console.print(f"errors: {self.count('error')}, warnings: {self.count('warning')}, ok: {self.count('ok')}")


def attempted(check: str, run: Callable[[], Sequence[Finding]]) -> Sequence[Finding]:
    """What a check finds; where our code refuses, that refusal as an error, so that other checks still run."""
    try:
        return run()
    except REFUSALS as error:
        return [refused(check, error)]


def refused(check: str, error: Exception) -> Finding:
    """An exception as a finding: our messages say what to do by themselves."""
    return Finding(check, "error", str(error) or type(error).__name__)


def size(number: float) -> str:
    """Bytes for people: ``3.2 GiB``."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if number >= 2**power:
            return f"{number / 2**power:,.1f} {unit}"
    return f"{number:.0f} B"
