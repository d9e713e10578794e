"""A trial as it is typed: YAML files, flat JSON files and flags, of which later ones win."""

import argparse
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hieramp_lit.files import read_json

STAGES = ("tune", "generate", "real", "students")
"""Sections that hold the configuration of a command, by ``config`` and by single keys."""
SECTIONS = ("name", "store", *STAGES, "off", "inspect", "report", "wandb")


class TrialRefusedError(ValueError):
    """A trial that cannot be: an unknown key, a value of the wrong type or an impossible one. Nothing has run."""


@dataclass(frozen=True)
class Setting:
    """One value of a trial.

    Attributes:
        path: Where it belongs: section, then the keys within.
        value: Plain value; no mapping but an empty one.
        source: File that it comes from, or "the command line", for messages.
    """

    path: tuple[str, ...]
    value: Any
    source: str

    @property
    def key(self) -> str:
        """Dotted key, as it is typed."""
        return ".".join(self.path)


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML reads it, but ``1e-5`` is a number, and ``off``, a section's name, a word, as in YAML 1.2."""


_BOOL = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+"), list("-+.0123456789")
)


def read_command_line(arguments: Sequence[str]) -> tuple[list[Setting], list[str]]:
    """Settings of a command line in the order given, and what is left of it.

    Args:
        arguments: ``--config FILE`` and ``--SECTION.KEY VALUE`` (or ``=VALUE``), among others.

    Raises:
        TrialRefusedError: If a file cannot be read, is no mapping or has an unknown section, or a flag has no value.
    """
    settings: list[Setting] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        flag, has_value, value = argument.partition("=")
        name = flag.removeprefix("--")
        is_ours = flag.startswith("--") and (name == "config" or name.partition(".")[0] in SECTIONS)
        if not is_ours:
            rest.append(argument)
            continue
        text = value if has_value else next(remaining, None)
        if text is None:
            raise TrialRefusedError(f"{flag} has no value: give {flag} VALUE.")
        if name == "config":
            settings += read_file(Path(text))
        else:
            settings += _leaves(tuple(name.split(".")), _value(text, flag), "the command line")
    return latest(settings), rest


def read_file(path: Path) -> list[Setting]:
    """Settings of a YAML file, or of a JSON file; keys may be dotted, as in those that W&B's agent writes.

    Raises:
        TrialRefusedError: If it cannot be read, is no mapping, or has an unknown section.
    """
    try:
        content = read_json(path) if path.suffix == ".json" else yaml.load(path.read_text("utf-8"), _Loader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise TrialRefusedError(f"--config {path} cannot be read: {error}") from error
    if not isinstance(content, Mapping):
        raise TrialRefusedError(f"--config {path} holds no mapping. Its sections are {', '.join(SECTIONS)}.")
    return list(_leaves((), content, str(path)))


def latest(settings: Iterable[Setting]) -> list[Setting]:
    """What counts: a later value replaces an earlier one of its key, and all within it; an empty mapping merges."""
    kept: list[Setting] = []
    for new in settings:
        depth = len(new.path)
        if new.value == {} and any(old.path[:depth] == new.path and len(old.path) > depth for old in kept):
            continue
        kept = [old for old in kept if old.path[:depth] != new.path] + [new]
    return kept


def nested(settings: Iterable[Setting], within: int) -> dict[str, Any]:
    """Settings as a mapping, without the first `within` parts of their keys; a key within replaces a plain value."""
    tree: dict[str, Any] = {}
    for setting in settings:
        node = tree
        *parents, last = setting.path[within:]
        for parent in parents:
            if not isinstance(node.get(parent), dict):
                node[parent] = {}
            node = node[parent]
        node[last] = setting.value
    return tree


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's arguments; those of the trial itself stand here for the help text alone."""
    parser = argparse.ArgumentParser(
        prog=prog,
        usage=f"{prog} --config FILE.yaml [--config MORE.yaml|TRIAL.json …] [--SECTION.KEY VALUE …] [--out FOLDER] "
        "[--dry-run]",
        description="One trial, from a schedule to the accuracy of students: tune class tokens, generate a set, choose "
        "random real images of the same plan, train students on both, and tell it all in a page. Stages run in "
        "processes of their own; one that is done is not run again, by any trial that shares the store.",
        epilog=f"Sections: {', '.join(SECTIONS)}. The sections {', '.join(STAGES)} take any key of their command's own "
        "configuration, --generate.model.amplification.beta.coarse 3. Exit code: 0 complete, 1 a stage failed, 2 the "
        "trial is refused, 128 + the number of a signal.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", action="append", metavar="FILE", help="the trial: YAML, or JSON with dotted keys")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER",
        help="folder for result.json, summary.json and report.html (default: STORE/trials/NAME-HASH)",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="only say which stages there are, and which are done")
    return parser


def _leaves(path: tuple[str, ...], value: Any, source: str) -> Iterator[Setting]:
    """A value and its keys taken apart."""
    if path and path[0] not in SECTIONS:
        raise TrialRefusedError(f"{source}: unknown section {path[0]!r}. Sections: {', '.join(SECTIONS)}.")
    if not isinstance(value, Mapping) or (path and not value):
        yield Setting(path, value, source)
        return
    for key, inner in value.items():
        if not isinstance(key, str) or not all(key.split(".")):
            raise TrialRefusedError(
                f"{source}: {'.'.join(path)} holds the key {key!r}; keys are words, or joined by dots."
            )
        yield from _leaves((*path, *key.split(".")), inner, source)


def _value(text: str, flag: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise TrialRefusedError(f"{flag} {text!r} is no YAML: {error}") from error
