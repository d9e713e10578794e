"""The shape of the code: which way dependencies point, how long files are, what no file may hold."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "hieramp_lit"
FILES = sorted(PACKAGE.rglob("*.py"))
PACKAGES = sorted(folder.parent.name for folder in PACKAGE.glob("*/__init__.py"))

LEVELS = {
    0: {
        "allocator",
        "display",
        "pace",
        "jobs",
        "seeds",
        "files",
        "classes",
        "checkpoints",
        "optimization",
        "transfer",
        "figures",
        "var",
        "amplify",
        "losses",
        "students",
        "shards",
        "assets",
    },
    1: {"generate", "data", "metrics", "analysis", "report", "stages", "sweeps", "tracking"},
    2: {"callbacks", "tasks", "inspection", "trainer"},
    3: {"bench", "comparison", "distill", "doctor", "commands", "cli", "lightning_cli", "__main__", "__init__"},
}
LEVEL_OF = {part: level for level, parts in LEVELS.items() for part in parts}
# The batches are NamedTuples, words that all levels share.
SHARED_WORDS = {"hieramp_lit.data.batches"}
# Data modules are Lightning's; nothing else below tasks knows it. Metrics are torchmetrics objects.
MAY_IMPORT_LIGHTNING = {"data", "callbacks", "tasks", "trainer", "bench", "doctor", "commands", "cli", "lightning_cli"}
LONGEST = 350


def _imports(path: Path) -> Iterator[str]:
    """Dotted names that a file imports anywhere, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by the full name"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _names(files: list[Path]) -> list[str]:
    return [str(path.relative_to(PACKAGE)) for path in files]


@pytest.mark.parametrize("path", FILES, ids=_names(FILES))
class TestEveryFile:
    def test_dependencies_point_one_way(self, path: Path) -> None:
        level = LEVEL_OF[_part(path)]
        for name in _imports(path):
            parts = name.split(".")
            if parts[0] != "hieramp_lit" or len(parts) == 1 or ".".join(parts[:3]) in SHARED_WORDS:
                continue
            known = LEVEL_OF.get(parts[1], -1)  # -1: a name of the package itself, e.g. __version__
            assert known <= level, f"level {level} imports {name} of level {known}"

    def test_lightning_stays_above(self, path: Path) -> None:
        found = {name for name in _imports(path) if name.split(".")[0] in {"lightning", "pytorch_lightning"}}
        assert not found or _part(path) in MAY_IMPORT_LIGHTNING, f"imports {sorted(found)}"

    def test_is_short(self, path: Path) -> None:
        lines = len(path.read_text().splitlines())
        assert lines <= LONGEST, f"{lines} lines: split by concept"

    def test_does_not_print(self, path: Path) -> None:
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert not [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]

    def test_has_a_name_that_says_what_it_holds(self, path: Path) -> None:
        assert path.stem not in {"utils", "util", "helpers", "misc", "common", "tools"}

    def test_starts_with_a_docstring(self, path: Path) -> None:
        assert ast.get_docstring(ast.parse(path.read_text())), "say in one line what the file is"


def test_every_part_has_a_level() -> None:
    assert {_part(path) for path in FILES} <= set(LEVEL_OF)


@pytest.mark.parametrize("package", PACKAGES)
def test_exports_are_sorted_and_exist(package: str) -> None:
    module = importlib.import_module(f"hieramp_lit.{package}")
    exported = getattr(module, "__all__", None)
    if exported is None:
        assert package in {"commands", "assets"}, "list what the package offers in __all__"
        return
    # ruff's order (RUF022): CONSTANTS, Classes, functions, each sorted.
    kind = {name: 0 if name.isupper() else 1 if name[0].isupper() else 2 for name in exported}
    assert exported == sorted(exported, key=lambda name: (kind[name], name))
    assert not [name for name in exported if not hasattr(module, name)]
