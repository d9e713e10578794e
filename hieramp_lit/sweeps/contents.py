"""The files that a sweep's command names, known by what they say: comments and layout do not count."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hieramp_lit.files import sha256

_CONFIGURATION = "config"
_WEIGHTS = "checkpoint"


def contents(words: Sequence[str]) -> dict[str, str | None]:
    """Hash of each configuration and each file of weights that a command line leads to.

    Args:
        words: Of the command line; ``--config FILE`` and ``--config=FILE``, and so any flag that ends in ``.config`` or
            ``.checkpoint``. What stands under such a key in a configuration is followed likewise.

    Returns:
        By file as it is named; None for one that is not there. A checkpoint that is no file here is left out.
    """
    found: dict[str, str | None] = {}
    for key, value in _flags(words):
        _add(key, value, found)
    return found


def _flags(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for word, following in zip(words, [*words[1:], ""], strict=True):
        flag, has_value, value = word.partition("=")
        if flag.startswith("--"):
            yield flag.removeprefix("--"), value if has_value else following


def _add(key: str, value: Any, found: dict[str, str | None]) -> None:
    name = key.rpartition(".")[2]
    if isinstance(value, Mapping):
        for inner_key, inner in value.items():
            _add(str(inner_key), inner, found)
    elif isinstance(value, list):
        for inner in value:
            _add(key, inner, found)
    elif isinstance(value, str) and value not in found:
        path = Path(value)
        if name == _WEIGHTS and path.is_file():
            found[value] = sha256(path)
        elif name == _CONFIGURATION and "${" not in value:
            content = _read(path)
            found[value] = _hash(content) if path.is_file() else None
            _add("", content, found)


def _read(path: Path) -> Any:
    """Plain values; the bytes of a file that is no YAML."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    try:
        return yaml.safe_load(content)
    except yaml.YAMLError:
        return content


def _hash(content: Any) -> str:
    try:
        text = json.dumps(content, sort_keys=True, default=repr)
    except TypeError:  # keys of several types
        text = repr(content)
    return hashlib.sha256(text.encode()).hexdigest()
