"""The section ``inspect`` as flags of ``hieramp inspect``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hieramp_lit.distill.reading import TrialRefusedError
from hieramp_lit.files import sha256
from hieramp_lit.shards.format import MANIFEST

_SET_BY_US = ("set", "output")
_OF_THE_MACHINE = ("device", "batch_size", "num_workers")
"""Flags that do not decide the numbers but for rounding."""


def inspect_arguments(flags: Mapping[str, Any]) -> list[str]:
    """Flags as they are typed: true switches one on, false and null leave it out, a list gives several values.

    Raises:
        TrialRefusedError: If the trial sets what it owns, or a value is a mapping.
    """
    arguments = []
    for name, value in flags.items():
        if name in _SET_BY_US:
            raise TrialRefusedError(
                f"inspect.{name}: a trial inspects its own set, and keeps the numbers in the store."
            )
        if isinstance(value, Mapping):
            raise TrialRefusedError(
                f"inspect.{name}={dict(value)!r}: expected a word, a number, true, false or a list."
            )
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            arguments.append(flag)
        elif isinstance(value, list):
            arguments += [flag, *map(str, value)]
        elif value is not None and value is not False:
            arguments += [flag, str(value)]
    return arguments


def inspected_content(flags: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the numbers: the flags, and the reference by content where it is a file or a set."""
    content = {name: value for name, value in flags.items() if name not in _OF_THE_MACHINE}
    reference = content.get("reference")
    if isinstance(reference, str):
        path = Path(reference).expanduser()
        for file in (path, path / MANIFEST):
            if file.is_file():
                content["reference"] = {"sha256": sha256(file)}
    return content
