"""A trial's command line: W&B's macros replaced as its agent does (wandb 0.31, sdk/launch/sweeps/utils.py)."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_ENVIRONMENT = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")
_MACRO = re.compile(r"\$\{.*\}")


def trial_command(
    command: Sequence[str],
    program: str,
    parameters: Mapping[str, Any],
    parameters_file: Path,
    environment: Mapping[str, str],
) -> list[str]:
    """Replace the macros of a sweep file's command.

    Args:
        command: Words of the file.
        program: What ``${program}`` stands for.
        parameters: Of the trial.
        parameters_file: What ``${args_json_file}`` stands for: a file that holds them as JSON.
        environment: Where ``${envvar:NAME}`` is looked up; a name that is not there stands for itself.

    Raises:
        ValueError: For a macro that an agent does not know. (An agent leaves it out in silence.)
    """
    flags = [f"{name}={value}" for name, value in parameters.items()]
    macros = {
        "env": ["/usr/bin/env"],
        "interpreter": ["python"],
        "program": [program],
        "args": [f"--{flag}" for flag in flags],
        "args_no_hyphens": flags,
        "args_no_equals": [word for name, value in parameters.items() for word in (f"--{name}", str(value))],
        "args_no_boolean_flags": [
            f"--{name}" if value is True else f"--{name}={value}"
            for name, value in parameters.items()
            if value is not False
        ],
        "args_append_hydra": [f"+{flag}" for flag in flags],
        "args_override_hydra": [f"++{flag}" for flag in flags],
        "args_json": [json.dumps(parameters)],
        "args_json_file": [str(parameters_file)],
    }
    words: list[str] = []
    for part in command:
        word = _ENVIRONMENT.sub(lambda match: environment.get(match[1], match[1]), part)
        if not _MACRO.fullmatch(word):
            words.append(word)
        elif (name := word[2:-1]) in macros:
            words += macros[name]
        else:
            raise ValueError(
                f"command: {word}: W&B's agent knows ${{envvar:NAME}} and ${{{'}, ${'.join(macros)}}}. Correct it."
            )
    return words
