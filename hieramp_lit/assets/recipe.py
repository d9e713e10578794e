"""Makes the shipped weights of the digits: `make assets`, or ``python -m hieramp_lit.assets.recipe`` in a checkout.

Three fits, each a `hieramp` command with a configuration of the checkout; then the weights are rounded to float16
(half the size; loaders bring them back to float32) and laid beside what made them: the resolved configuration, the
commit, and their metrics on the test digits.
"""

import csv
import json
import logging
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hieramp_lit import __version__
from hieramp_lit.checkpoints import read_tensors, save
from hieramp_lit.files import sha256, write_json

SHIPPED = Path(__file__).parent / "digits"
RUNS = Path("runs/assets")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """One network that ships.

    Attributes:
        name: File name of its weights.
        config: Configuration of its fit.
        flags: Flags of its fit, beside where to write.
    """

    name: str
    config: str
    flags: tuple[str, ...] = ()

    @property
    def weights(self) -> Path:
        """What the fit writes, in float32."""
        return RUNS / f"{self.name}.safetensors"

    @property
    def runs(self) -> Path:
        """Folder of the fit's logs."""
        return RUNS / self.name


PARTS = (
    Part("tokenizer", "configs/tokenizer/digits.yaml"),
    Part("var", "configs/token_tuning/digits_var.yaml"),
    Part("teacher", "configs/student/digits_teacher.yaml"),
)
"""In this order: VAR trains on the tokens of the shipped tokenizer."""


def main() -> None:
    """Train every part whose float32 weights are not there yet, and ship all; delete ``runs/assets`` to start over."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for part in PARTS:
        if not part.weights.is_file():
            train(part)
        ship(part)


def train(part: Part) -> None:
    """Run the part's fit.

    Raises:
        FileNotFoundError: Outside a checkout.
        subprocess.CalledProcessError: If the fit fails.
    """
    if not Path(part.config).is_file():
        raise FileNotFoundError(f"{part.config} is not in {Path.cwd()}: run `make assets` in a checkout.")
    arguments = ["fit", "--config", part.config, *part.flags, "--model.export", str(part.weights)]
    logger = ["--trainer.logger", "RunLogger", "--trainer.logger.save_dir", str(part.runs)]
    _logger.info("hieramp %s", " ".join(arguments + logger))
    subprocess.run([sys.executable, "-m", "hieramp_lit", *arguments, *logger], check=True)


def ship(part: Part) -> None:
    """Round the part's weights to float16 and lay them into the package, with configuration and metrics beside."""
    tensors = read_tensors(part.weights)
    halved = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    target = SHIPPED / f"{part.name}.safetensors"
    save(target, halved, metadata={"format": "pt"})
    run = max(part.runs.rglob("config.yaml"), key=lambda file: file.stat().st_mtime).parent
    shutil.copyfile(run / "config.yaml", SHIPPED / f"{part.name}.yaml")
    provenance = {
        "commit": _commit(),
        "hieramp_lit": __version__,
        "command": f"hieramp fit --config {part.config}",
        "sha256": sha256(target),
        "metrics": metrics(run),
    }
    write_json(SHIPPED / f"{part.name}.json", provenance)
    _logger.info("%s: %s", target.name, provenance["metrics"])


def metrics(run: Path) -> dict[str, Any]:
    """Last validation metrics of a run, from its ``metrics.csv``; they are those of the float32 weights."""
    last: dict[str, Any] = {}
    with (run / "metrics.csv").open() as file:
        for row in csv.DictReader(file):
            if any(name.startswith("val/") and value for name, value in row.items()):
                last = {name: json.loads(value) for name, value in row.items() if value and name.startswith("val/")}
                last["step"] = int(row["step"])
    return last


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
