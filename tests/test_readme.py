"""What the READMEs tell people to type works: every `hieramp` line parses, every `make` target exists."""

import re
import shlex
from pathlib import Path

import pytest

from hieramp_lit.cli import COMMANDS, LIGHTNING_COMMANDS, command_module, main

ROOT = Path(__file__).parents[1]
PAGES = sorted(path for path in (ROOT / "README.md", *ROOT.glob("*/README.md")) if path.is_file())
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
FENCED = re.compile(r"^```(?:bash|sh|console|shell)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:hieramp|make) [^`]+)`")


def _lines(page: Path) -> list[str]:
    """Lines of shell blocks, continued lines joined, prompts and comments cut; and commands in running text."""
    text = page.read_text()
    blocks = "\n".join(FENCED.findall(text)).replace("\\\n", " ")
    return [line.removeprefix("$ ").strip() for line in blocks.splitlines()] + INLINE.findall(text)


def _commands(program: str) -> list[tuple[str, ...]]:
    """Distinct commands of a program, as arguments; those with a placeholder in capitals or <…> are prose."""
    found = {}
    for page in PAGES:
        for line in _lines(page):
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):  # environment before the command
                words = words[1:]
            if words and Path(words[0]).name == program and not re.search(r"<|…|\b[A-Z]{3,}\b", " ".join(words)):
                found[tuple(words[1:])] = page
    return sorted(found)


def _without_overrides(arguments: list[str]) -> list[str]:
    """What is the command's own; ``--data.train PLACE`` and the like it hands on to a configuration."""
    kept = []
    words = iter(arguments)
    for word in words:
        if not re.match(r"--(model|data|trainer|tune|generate|real|students|inspect|wandb)[.=]", word):
            kept.append(word)
        elif "=" not in word:
            next(words)
    return kept


@pytest.mark.parametrize("arguments", _commands("hieramp"), ids=" ".join)
def test_command_parses(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    name, *others = arguments
    if name in COMMANDS and name != "students":  # which takes a configuration, as fit does
        command_module(name).build_parser("hieramp").parse_args(_without_overrides(others))
        return
    with pytest.raises(SystemExit) as stop:
        main([*arguments, *(["--print_config"] if name in {*LIGHTNING_COMMANDS, "students"} else [])])
    assert stop.value.code == 0, capsys.readouterr().err


@pytest.mark.parametrize("arguments", _commands("make"), ids=" ".join)
def test_make_target_exists(arguments: tuple[str, ...]) -> None:
    wanted = {word for word in arguments if "=" not in word}
    assert wanted <= TARGETS


def test_commands_are_found() -> None:
    assert {arguments[0] for arguments in _commands("hieramp")} >= {"fit", "predict"}
    assert ("test",) in _commands("make")
