"""The configurations that ship, found by glob, and the command of each folder."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "tokenizer": "fit",
    "tokenize": "tokenize",
    "token_tuning": "fit",
    "student": "fit",
    "generate": "predict",
}
OVERLAYS = sorted(ROOT.glob("configs/overlays/*.yaml"))
PROTOCOLS = sorted(ROOT.glob("configs/protocols/*.yaml"))
"""Second configurations, after a student's."""
TRIALS = sorted(ROOT.glob("configs/distill/*.yaml"))
"""Of `hieramp distill`; they name configurations of several commands."""
BASES = [path for path in sorted(ROOT.glob("configs/*/*.yaml")) if path not in {*OVERLAYS, *PROTOCOLS, *TRIALS}]


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"
