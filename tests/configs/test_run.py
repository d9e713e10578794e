"""Every shipped configuration runs: made small by tests/tiny, on tiny stand-ins for what it reads."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from hieramp_lit.checkpoints import read_tensors
from hieramp_lit.cli import main
from hieramp_lit.data import TokenCache
from hieramp_lit.report import results
from hieramp_lit.shards import ShardSet
from tests.configs.shipped import BASES, COMMANDS, ROOT, name_of


@pytest.mark.parametrize("config", BASES, ids=name_of)
def test_runs_on_the_cpu_in_seconds(config: Path, put_inputs: Callable[[Path], Path]) -> None:
    shipped = yaml.safe_load(config.read_text())
    inputs = put_inputs(config)
    tiny = ROOT / "tests" / "tiny" / f"{config.parent.name}.yaml"
    command = COMMANDS[config.parent.name]
    main([command, f"--config={config}", f"--config={tiny}", f"--config={inputs}"])

    model = shipped["model"]["init_args"]
    if command == "predict":
        made = ShardSet.open(Path(model["output"]))
        assert len(made) == len(made.classes) == min(10, len(made.classes))
        made.verify()
    if command == "tokenize":
        assert TokenCache.open(Path(model["output"])).layout.views == 1
    if model.get("export"):
        assert read_tensors(Path(model["export"]))
    if config.parent.name == "student":
        (result,) = Path("runs").rglob(results.FILE)
        assert results.read(result)["summary"]["n"] == 1
