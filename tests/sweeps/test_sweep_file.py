"""Sweep files are read as W&B reads them; what W&B would not take, or what would mislead, is refused by key."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hieramp_lit.sweeps import SweepFile, SweepFileError, read_sweep_file

RHO = {"rho": {"values": [0.5]}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metod": "grid"}, "unknown keys \\['metod'\\]"),
        ({"method": "gird"}, "method='gird'.*grid"),
        ({"program": None}, "program=None"),
        ({"metric": {"name": "student/top1_last"}}, "metric.goal=None.*maximize"),
        ({"metric": "student/top1_last"}, "metric='student/top1_last'"),
        ({"method": "bayes"}, "metric=None"),
        ({"command": "hieramp distill"}, "command='hieramp distill'"),
        ({"run_cap": 0}, "run_cap=0"),
        ({"run_cap": True}, "run_cap=True"),
    ],
)
def test_refuses_by_key(sweep: Callable[..., SweepFile], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SweepFileError, match=message):
        sweep(RHO, **changes)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "parameters: expected at least one"),
        ({"rho": 0.5}, r"parameters\.rho=0\.5: expected"),
        ({"ρ": {"value": 1}}, "letters, digits"),
        ({"model.rho.0": {"value": 0.7}}, "an index is no key"),
        ({"rho": {"values": []}}, r"parameters\.rho: values=\[\]"),
        ({"a": {"parameters": {"b": {"valves": [1]}}}}, r"parameters\.a\.b: .*valves"),
        ({"rho": {"values": [1], "min": 0}}, r"\['min'\] mean nothing"),
        ({"rho": {"min": 1.0, "max": 0.0}}, "min must be the smaller"),
        ({"rho": {"min": 0.0, "max": "1e-3"}}, r"max='1e-3'.*1\.0e-3"),
        ({"rho": {"distribution": "log_uniform_values", "min": 0.0, "max": 1.0}}, "above 0"),
        ({"rho": {"distribution": "q_uniform", "min": 0.0, "max": 1.0, "q": 0}}, "q=0"),
        ({"rho": {"distribution": "normal", "sigma": -1}}, "sigma=-1"),
        ({"rho": {"distribution": "beta"}}, "'beta' is W&B's.*q_uniform.*wandb sweep"),
        ({"rho": {"values": [1], "probabilities": [1]}}, "categorical_w_probabilities"),
        ({"rho": {"distribution": "gaussian"}}, "gaussian.*normal"),
    ],
)
def test_refuses_a_parameter(sweep: Callable[..., SweepFile], parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(SweepFileError, match=message):
        sweep(parameters)


def test_refuses_what_is_no_sweep_file(tmp_path: Path) -> None:
    for text in ("[1, 2]", "a: [", ""):
        (tmp_path / "sweep.yaml").write_text(text)
        with pytest.raises(SweepFileError, match=r"sweep\.yaml"):
            read_sweep_file(tmp_path / "sweep.yaml")
    with pytest.raises(FileNotFoundError, match=r"missing\.yaml"):
        read_sweep_file(tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    ("name", "peeks"),
    [("student/top1_last", False), ("student/top1_best", True), ("best_top1", True), ("set/bestiary", False)],
)
def test_knows_a_metric_that_peeks(sweep: Callable[..., SweepFile], name: str, peeks: bool) -> None:
    metric = sweep(RHO, metric={"name": name, "goal": "maximize"}).metric
    assert metric is not None
    assert metric.peeks is peeks


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("sweeps/digits/a.yaml", "digits/a"),
        ("/x/sweeps/a.yaml", "a"),
        ("mine/a.yaml", "a"),
        ("sweeps/b/sweeps/c.yml", "c"),
    ],
)
def test_title_is_the_place_below_sweeps(sweep: Callable[..., SweepFile], path: str, title: str) -> None:
    assert replace(sweep(RHO), path=Path(path)).title == title
