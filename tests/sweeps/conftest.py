"""Sweep files of a program that takes no time."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hieramp_lit.sweeps import SweepFile, read_sweep_file

PROGRAM = Path(__file__).parent / "trial_program.py"


@pytest.fixture
def sweep_path(tmp_path: Path) -> Callable[..., Path]:
    """Writes a sweep file over `trial_program`."""

    def write(parameters: dict[str, Any], **others: Any) -> Path:
        shutil.copy(PROGRAM, tmp_path / "trial_program.py")
        command = ["${env}", "${interpreter}", "${program}", "--config", "${args_json_file}"]
        content = {"program": str(tmp_path / "trial_program.py"), "method": "grid", "command": command} | others
        path = tmp_path / "sweep.yaml"
        path.write_text(yaml.safe_dump({**content, "parameters": parameters}, sort_keys=False))
        return path

    return write


@pytest.fixture
def sweep(sweep_path: Callable[..., Path]) -> Callable[..., SweepFile]:
    """Reads one."""
    return lambda parameters, **others: read_sweep_file(sweep_path(parameters, **others))
