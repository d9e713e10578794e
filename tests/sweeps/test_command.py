"""Command lines are those that W&B's own agent makes."""

import json
from pathlib import Path
from typing import Any

import pytest
from wandb.sdk.launch.sweeps import utils

from hieramp_lit.sweeps import trial_command

PARAMETERS: dict[str, Any] = {"a.b": 0.1, "c": None, "d": True, "e": False, "f": [1, None], "g": {"h": "x y"}}
FILE = Path("some/where.json")
MACROS = [
    "args", "args_no_equals", "args_no_hyphens", "args_no_boolean_flags", "args_json", "args_append_hydra",
    "args_override_hydra",
]  # fmt: skip


@pytest.mark.parametrize("macro", MACROS)
def test_macros_are_those_of_the_agent(macro: str) -> None:
    of_agent = utils.create_sweep_command_args({"args": {name: {"value": value} for name, value in PARAMETERS.items()}})
    made = trial_command(["${program}", f"${{{macro}}}", "end"], "hieramp", PARAMETERS, FILE, {})
    assert made == ["hieramp", *of_agent[macro], "end"]


def test_environment_is_replaced_as_the_agent_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA", "/data")
    monkeypatch.delenv("NOWHERE", raising=False)
    words = ["--root=${envvar:DATA}/${envvar:NOWHERE}", "plain"]
    assert trial_command(words, "hieramp", {}, FILE, {"DATA": "/data"}) == utils.create_sweep_command(list(words))


def test_program_file_and_interpreter() -> None:
    made = trial_command(["${env}", "${interpreter}", "${program}", "${args_json_file}"], "p", {}, FILE, {})
    assert made == ["/usr/bin/env", "python", "p", str(FILE)]


def test_refuses_an_unknown_macro() -> None:
    with pytest.raises(ValueError, match=r"\$\{args_file\}.*\$\{args_json_file\}"):
        trial_command(["${args_file}"], "hieramp", {}, FILE, {})


def test_json_keeps_every_kind_of_value() -> None:
    (made,) = trial_command(["${args_json}"], "hieramp", PARAMETERS, FILE, {})
    assert json.loads(made) == PARAMETERS
