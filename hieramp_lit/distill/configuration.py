"""A stage's whole configuration, read by the stage's own parser before anything runs."""

import io
from collections.abc import Mapping
from contextlib import redirect_stderr
from typing import Any

import yaml

from hieramp_lit.distill.reading import TrialRefusedError
from hieramp_lit.distill.trial import Part, flag
from hieramp_lit.lightning_cli import parse, without_misleading_noise

COMMANDS = {
    "tune": "fit",
    "generate": "predict",
    "off": "predict",
    "real": "predict",
    "students": "students",
    "inspect": "students",
}
"""Command of each section that holds a configuration."""


def resolve(part: Part) -> dict[str, Any]:
    """All values of a stage's configuration, defaults included.

    Args:
        part: The stage's section.

    Returns:
        Plain values as ``--print_config`` shows them: ``trainer``, ``model`` and ``data`` with ``class_path`` and
        ``init_args``, ``seed_everything``.

    Raises:
        TrialRefusedError: If the parser refuses it; the message names the key.
    """
    values = _parse(part)
    if isinstance(values, str):
        raise TrialRefusedError(_reason(part, values))
    return values


def arguments_of(values: Mapping[str, Any], section: str) -> dict[str, Any]:
    """``init_args`` of ``model`` or ``data``; empty where there is none."""
    return dict((values.get(section) or {}).get("init_args") or {})


def class_of(values: Mapping[str, Any], section: str) -> str:
    """Name of the class of ``model`` or ``data``, without its module."""
    return str((values.get(section) or {}).get("class_path", "")).rpartition(".")[2]


def _parse(part: Part) -> dict[str, Any] | str:
    """The values, or what the parser says against them."""
    told = io.StringIO()
    try:
        with redirect_stderr(told), without_misleading_noise():
            cli = parse(part.arguments, COMMANDS[part.section], "")
    except SystemExit:
        return told.getvalue().partition("error: ")[2].strip() or told.getvalue().strip()
    except (ValueError, OSError) as error:
        return str(error)
    values: dict[str, Any] = yaml.safe_load(cli.parser.dump(cli.config, skip_unset=False, format="yaml"))
    return values


def _reason(part: Part, told: str) -> str:
    """Name the first of the trial's keys that the parser refuses, or the files."""
    for count in range(len(part.settings) + 1):
        refusal = _parse(Part(part.section, part.config, part.settings[:count]))
        if isinstance(refusal, str):
            told = refusal
            break
    if count == 0:
        return f"{part.section}.config={list(part.config)}: the configuration is refused.\n{told}"
    setting = part.settings[count - 1]
    return (
        f"{setting.key}={setting.value!r} (in {setting.source}) is refused by `hieramp {COMMANDS[part.section]}` as "
        f"{flag(setting)}:\n{told}"
    )
