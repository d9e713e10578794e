"""The section ``inspect`` as flags of ``hieramp inspect``."""

import io
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from hieramp_lit.checkpoints import resolve as resolve_weights
from hieramp_lit.checkpoints.hub import HUB_SCHEME
from hieramp_lit.cli import command_module
from hieramp_lit.distill.configuration import resolve
from hieramp_lit.distill.content import decisive_values, folder_names
from hieramp_lit.distill.reading import Setting, TrialRefusedError
from hieramp_lit.distill.trial import Part, flag
from hieramp_lit.files import sha256
from hieramp_lit.shards.format import MANIFEST

_SET_BY_US = ("set", "output")
_OF_THE_MACHINE = ("device", "batch_size")
"""Flags that do not decide the numbers but for rounding."""
_WEIGHTS = ("checkpoint", "teacher.checkpoint")
_OF_A_CONFIGURATION = ("model", "data", "trainer")


def inspect_arguments(settings: Sequence[Setting]) -> tuple[str, ...]:
    """The section as flags: true switches one on, false and null leave it out, a list gives several values.

    Args:
        settings: Of the section ``inspect``: flags of ``hieramp inspect``, ``-`` or ``_`` between words; with
            ``config``, a student's, also keys of that configuration.

    Raises:
        TrialRefusedError: If a trial cannot set a key, or the command refuses it.
    """
    arguments: list[str] = []
    for setting in settings:
        name, value = ".".join(setting.path[1:]), setting.value
        if name in _SET_BY_US:
            raise TrialRefusedError(f"{setting.key}: a trial inspects its own set, and keeps the numbers in the store.")
        if setting.path[1] in _OF_A_CONFIGURATION:
            arguments.append(flag(setting))
        elif name == "config":
            arguments += [word for file in _listed(value) for word in ("--config", str(file))]
        elif value not in (None, False, {}):
            values = [] if value is True else map(str, _listed(value))
            arguments += [f"--{name if '.' in name else name.replace('_', '-')}", *values]
    _refuse_unknown(settings, arguments)
    for setting in settings:
        _refuse_absent(setting)
    return tuple(arguments)


def inspected_content(settings: Sequence[Setting]) -> dict[str, Any]:
    """What decides the numbers: the flags, with files, sets and a student's configuration by content."""
    content: dict[str, Any] = {}
    for setting in settings:
        name = ".".join(setting.path[1:]).replace("-", "_")
        if name not in (*_OF_THE_MACHINE, "config") and setting.path[1] not in _OF_A_CONFIGURATION:
            content[name] = _content(setting.value)
    part = _student(settings)
    if part is not None:
        content["config"] = decisive_values("students", resolve(part))
    return content


def _student(settings: Sequence[Setting]) -> Part | None:
    files = [file for setting in settings if setting.path[1:] == ("config",) for file in _listed(setting.value)]
    keys = tuple(setting for setting in settings if setting.path[1] in _OF_A_CONFIGURATION)
    if keys and not files:
        raise TrialRefusedError(f"{keys[0].key}: there is no inspect.config that it could belong to.")
    return Part("inspect", tuple(files), keys) if files else None


def _refuse_unknown(settings: Sequence[Setting], arguments: Sequence[str]) -> None:
    """Ask the command's own parser."""
    told = io.StringIO()
    given = ", ".join(f"{setting.key}={setting.value!r}" for setting in settings)
    try:
        with redirect_stderr(told):
            parser = command_module("inspect").build_parser("hieramp inspect")
            _, unknown = parser.parse_known_args(["SET", *arguments])
    except SystemExit as error:
        reason = told.getvalue().rpartition("error: ")[2].strip()
        raise TrialRefusedError(f"inspect: {reason}. Given: {given}.") from error
    for argument in unknown:
        if argument.partition(".")[0].removeprefix("--") not in _OF_A_CONFIGURATION:
            raise TrialRefusedError(
                f"inspect: `hieramp inspect` does not know {argument}; its --help lists what it does. Given: {given}."
            )


def _refuse_absent(setting: Setting) -> None:
    """Refuse files that are not there, of which the stage would tell after all the others."""
    name, value = ".".join(setting.path[1:]), setting.value
    if not isinstance(value, str):
        return
    if name in _WEIGHTS and not value.startswith(HUB_SCHEME):
        try:
            resolve_weights(value, key=setting.key)
        except (OSError, ValueError) as error:
            raise TrialRefusedError(str(error)) from error
    is_word = name == "reference" and value == command_module("inspect").DIGITS
    if name in ("reference", "inception") and not is_word and not Path(value).expanduser().exists():
        raise TrialRefusedError(
            f"{setting.key}={value!r} (in {setting.source}): there is no such file or folder here, in {Path.cwd()}."
        )


def _content(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    path = Path(value).expanduser()
    files = [file for file in (path, path / MANIFEST) if file.is_file()]
    if files:
        return {"sha256": sha256(files[0])}
    return {"path": value, **folder_names(path)} if path.is_dir() else value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
