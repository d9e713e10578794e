"""What a page is built from is checked where a file is read, so that damage is told with the file and the key."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from hieramp_lit.report.results import Result


class DamagedError(ValueError):
    """A file lacks a value, or has one of another type; the message names both."""


class _Key(NamedTuple):
    name: str
    types: tuple[type, ...]
    allowed: str
    may_lack: bool = False


_NONE: type = type(None)
_NUMBER = (int, float)
_MEASURES = ("top1_last", "top1_best")
_CELL = (
    _Key("set", (Mapping,), "an object"),
    _Key("protocol", (Mapping,), "an object"),
    _Key("protocol.name", (str,), "a name"),
    _Key("protocol.changed", (Mapping, _NONE), "an object or null", True),
    _Key("student", (Mapping,), "an object"),
    _Key("student.architecture", (str,), "a name"),
    _Key("teacher", (Mapping, _NONE), "an object or null"),
    _Key("validation", (Mapping,), "an object"),
    _Key("summary.n", (int,), "a number"),
    _Key("summary.over", (list,), "a list"),
    *(_Key(f"summary.mean.{name}", _NUMBER, "a number") for name in _MEASURES),
    *(_Key(f"summary.std_sample.{name}", (*_NUMBER, _NONE), "a number or null") for name in _MEASURES),
    _Key("per_seed", (list,), "a list", True),
    _Key("student_seeds", (list,), "a list", True),
)
_RUN = (
    _Key("student_seed", (int, _NONE), "a seed"),
    _Key("last", (Mapping,), "an object"),
    _Key("last.per_class", (list, _NONE), "a list or null", True),
)
_COST = (
    _Key("device", (str, _NONE), "a name or null", True),
    _Key("devices", (int, _NONE), "a number or null", True),
    *(
        _Key(name, (*_NUMBER, _NONE), "a number or null", True)
        for name in ("seconds_per_image", "peak_memory_bytes", "peak_device_memory_bytes")
    ),
)


def checked_cell(cell: Any, file: Path, where: str = "") -> Result:
    """A cell whose values are of the types that a page takes them for.

    Args:
        cell: As `report.results` has it, or a row of a comparison.
        file: That it stands in.
        where: Its key in the file, empty for the whole.

    Raises:
        DamagedError: If they are not.
    """
    _check(cell, _CELL, file, where)
    for number, run in enumerate(cell.get("per_seed") or ()):
        _check(run, _RUN, file, f"{where}.per_seed[{number}]".lstrip("."))
    return dict(cell)


def checked_cost(cost: Any, file: Path, where: str) -> Mapping[str, Any] | None:
    """What a stage recorded of its cost; None where it recorded nothing.

    Args:
        cost: As it stands in the file.
        file: The file.
        where: Its key there.

    Raises:
        DamagedError: If a value is of another type.
    """
    if cost is None:
        return None
    _check(cost, _COST, file, where)
    checked: Mapping[str, Any] = cost
    return checked


def _check(content: Any, keys: tuple[_Key, ...], file: Path, where: str) -> None:
    if not isinstance(content, Mapping):
        _refuse(file, where, "an object", f"this is {content!r:.80}")
    for key in keys:
        *above, last = key.name.split(".")
        holder: Any = content
        for part in above:
            holder = holder.get(part)
            if not isinstance(holder, Mapping):
                _refuse(file, _joined(where, part), "an object", f"this is {holder!r:.80}")
        if last not in holder:
            if not key.may_lack:
                _refuse(file, _joined(where, key.name), key.allowed, "there is none")
        elif not isinstance(holder[last], key.types) or isinstance(holder[last], bool):
            _refuse(file, _joined(where, key.name), key.allowed, f"this is {holder[last]!r:.80}")


def _joined(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _refuse(file: Path, key: str, allowed: str, found: str) -> NoReturn:
    raise DamagedError(f"{file} is damaged, or not by this release: {key} should be {allowed}, {found}.")
