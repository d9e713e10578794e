"""Runs `hieramp doctor` and reads what it finds."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hieramp_lit.checkpoints import read_tensors, resolve, save
from hieramp_lit.cli import main

ROOT = Path(__file__).parents[2]
PERMUTED = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]


def config(path: str) -> list[str]:
    return ["--config", str(ROOT / path)]


def doctor(*args: str, code: int = 0) -> dict[str, Any]:
    """Runs the command and gives what it writes."""
    if code:
        with pytest.raises(SystemExit) as stop:
            main(["doctor", *args, "--out", "out.json"])
        assert stop.value.code == code
    else:
        main(["doctor", *args, "--out", "out.json"])
    return json.loads(Path("out.json").read_text())


def status(report: dict[str, Any]) -> dict[str, str]:
    return {finding["check"]: finding["status"] for finding in report["findings"]}


def found(report: dict[str, Any], check: str) -> dict[str, Any]:
    """The only finding of a check."""
    (finding,) = (finding for finding in report["findings"] if finding["check"] == check)
    return finding


def tiny(folder: str, tokenizer: Path, *more: str) -> list[str]:
    """Arguments for the digits' configuration of a folder, made small."""
    files = [*config(f"configs/{folder}/digits.yaml"), *config(f"tests/tiny/{folder}.yaml")]
    return [*files, "--model.tokenizer.checkpoint", str(tokenizer), "--images", "4", *more]


def write_permuted_teacher(path: Path) -> Path:
    """The digits' teacher with its answers in another order: class c is row `PERMUTED[c]`."""
    tensors = read_tensors(resolve("asset://digits/teacher.safetensors"))
    last = next(name for name in reversed(tensors) if tensors[name].ndim == 2).removesuffix("weight")
    for part in ("weight", "bias"):
        moved = torch.empty_like(tensors[last + part])
        moved[torch.tensor(PERMUTED)] = tensors[last + part]
        tensors[last + part] = moved
    save(path, tensors)
    return path
