"""Overlays of machines: devices and strategies that exist, and nothing else."""

from pathlib import Path

import pytest
import yaml
from lightning.pytorch.strategies import StrategyRegistry

import hieramp_lit.trainer

OVERLAYS = {path.stem: path for path in (Path(__file__).parents[1] / "configs" / "overlays").glob("*.yaml")}
MACHINES = ("cpu", "gpu", "multi_gpu", "a6000x8", "nodes", "fsdp")


@pytest.mark.parametrize("name", MACHINES)
def test_machines_say_where_and_nothing_else(name: str) -> None:
    ((section, values),) = yaml.safe_load(OVERLAYS[name].read_text()).items()
    assert section == "trainer"
    assert {"accelerator", "devices"} <= set(values) <= {"accelerator", "devices", "num_nodes", "strategy"}
    strategy = values.get("strategy", "ddp")
    if isinstance(strategy, dict):
        assert strategy["class_path"] in hieramp_lit.trainer.__all__
    else:
        assert strategy in StrategyRegistry.available_strategies()
