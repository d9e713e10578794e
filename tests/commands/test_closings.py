"""Every command ends with what was made, where, how long it took and what to type next, if it did what it was asked."""

import ast
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from hieramp_lit.cli import COMMANDS, LIGHTNING_COMMANDS, command_module, main
from hieramp_lit.commands import following
from hieramp_lit.shards import ShardError, ShardSet
from tests.data.digits_set import make_digits_set
from tests.report.made_results import result, write
from tests.shards.making import contents

ROOT = Path(__file__).parents[2]
STANDS_FOR = {
    "TOKEN_TUNING.yaml": "token_tuning/digits.yaml",
    "TOKEN_TUNING_CACHED.yaml": "token_tuning/digits_cached.yaml",
    "GENERATE.yaml": "generate/digits.yaml",
    "STUDENT.yaml": "student/digits.yaml",
}
"""What the words in capitals may be: then the whole line must parse."""
CONFIGURED = {*LIGHTNING_COMMANDS, "students"}


def parses(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A line is one that its command's own parser takes."""
    program, name, *others = shlex.split(line)
    assert program == "hieramp"
    words = [str(ROOT / "configs" / STANDS_FOR[word]) if word in STANDS_FOR else word for word in others]
    if name not in CONFIGURED:
        command_module(name).build_parser("hieramp").parse_args(words)
        return
    with pytest.raises(SystemExit) as stop:
        main([name, *words, "--print_config"])
    assert stop.value.code == 0, capsys.readouterr().err


def closing(capsys: pytest.CaptureFixture[str]) -> tuple[str, list[Path], str | None]:
    """What stands at the end of standard error: what, where, next."""
    lines = capsys.readouterr().err.splitlines()
    start = max(number for number, line in enumerate(lines) if line.startswith("done:  "))
    what, *where, took = [line for line in lines[start:] if not line.startswith("next:  ")]
    assert all(line.startswith("where: ") for line in where)
    assert re.fullmatch(r"took:  \d+:\d\d:\d\d", took)
    following = [line[7:] for line in lines[start:] if line.startswith("next:  ")]
    assert lines[start:] == [what, *where, took, *(f"next:  {line}" for line in following)]
    return what[7:], [Path(line[7:]) for line in where], following[0] if following else None


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_digits_set(tmp_path_factory.mktemp("sets") / "a set")


def tiny(folder: str, name: str = "digits.yaml") -> list[str]:
    return ["--config", str(ROOT / "configs" / folder / name), "--config", str(ROOT / f"tests/tiny/{folder}.yaml")]


class Places:
    """What the commands below are run on."""

    def __init__(self, digits: Path, tokenizer: Path, var: Path) -> None:
        self.set, self.tokenizer, self.var = str(digits), str(tokenizer), str(var)

    def exported(self) -> str:
        main(["export", self.set, "--out", "images"])
        return "images"

    def results(self) -> str:
        write(result([0.5]), "runs/a/result.json")
        return "runs/a/result.json"


RUNS: dict[str, tuple[Callable[[Places], Sequence[str]], str, str]] = {
    "verify": (lambda at: ["verify", at.set], "20 images checked", "students"),
    "export": (lambda at: ["export", at.set, "--out", "out"], "20 images of 10 classes", "students"),
    "import": (lambda at: ["import", at.exported(), "--out", "out"], "20 images of 10 classes", "verify"),
    "export-weights": (lambda at: ["export-weights", at.var, "--out", "var.pth"], "VAR depth 2", "predict"),
    "export-weights tokenizer": (lambda at: ["export-weights", at.tokenizer, "--out", "t.pth"], "written", "fit"),
    "tables": (lambda at: ["tables", at.results(), "--out", "out/tables.md"], "1 result(s) beside", "report"),
    "inspect": (lambda at: ["inspect", at.set, "--output", "found.json"], "20 images measured", "analyze"),
    "doctor": (lambda at: ["doctor"], "this installation", "demo"),
    "predict": (
        lambda at: ["predict", *tiny("generate", "digits_real.yaml"), "--model.output=a set", "--trainer.logger=false"],
        "10 images of 10 classes",
        "verify",
    ),
    "fit tuning": (
        lambda at: ["fit", *tiny("token_tuning"), "--model.tokenizer.checkpoint", at.tokenizer, "--model.checkpoint",
                    at.var, "--model.export=out/var.safetensors", "--trainer.limit_val_batches=0"],
        "class tokens tuned, 2 steps",
        "predict",
    ),
    "fit student": (
        lambda at: ["fit", *tiny("student"), "--data.path", at.set],
        "convnet3_w32 trained for 2 epochs, top-1 ",
        "report",
    ),
    "students": (
        lambda at: ["students", *tiny("student"), "--data.path", at.set, "--seeds", "0", "--out", "out"],
        "1 student(s) on a set, mean top-1 ",
        "report",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_a_command_ends_with_what_where_how_long_and_a_line_to_type(
    name: str, digits: Path, tiny_tokenizer: Path, tiny_var: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, said, after = RUNS[name]
    main(list(arguments(Places(digits, tiny_tokenizer, tiny_var))))
    what, where, next_command = closing(capsys)
    assert said in what
    assert all(path.exists() for path in where)
    assert where or name == "doctor"
    assert next_command is not None
    assert shlex.split(next_command)[1] == after
    parses(next_command, capsys)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_a_closing(name: str) -> None:
    source = Path(str(command_module(name).__file__)).read_text()
    called = [node.func.id for node in ast.walk(ast.parse(source))
              if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]  # fmt: skip
    assert "close" in called


@pytest.mark.parametrize(
    "line",
    [
        following.tune_with("a tokenizer.pth"),
        following.tune_from(Path("a cache")),
        following.generate_with("var.pth"),
        following.verify_set(Path("a set")),
        following.judge_set("a set"),
        following.taught_by("teacher.pth"),
        following.report_on([Path("a run"), Path("another")], Path("report.html")),
        following.table_of([Path("a run"), Path("another")]),
    ],
)
def test_what_is_suggested_parses(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    parses(line, capsys)


def test_a_set_without_tokens_is_analysed_with_a_tokenizer(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = following.analyze_set(ShardSet.open(digits))
    assert shlex.split(line) == ["hieramp", "analyze", str(digits), "--tokenizer", "TOKENIZER"]
    parses(line, capsys)


def test_a_part_of_a_set_is_not_told_as_a_set(capsys: pytest.CaptureFixture[str]) -> None:
    limited = ["--data.shard_size=4", "--trainer.limit_predict_batches=2", "--model.output=part"]
    main(["predict", *tiny("generate", "digits_real.yaml"), *limited, "--trainer.logger=false"])
    what, where, next_command = closing(capsys)
    assert "a part of the shards" in what
    assert where == [Path("part")]
    assert next_command is None


def test_a_fit_that_only_tries_the_code_has_no_folder(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["fit", *tiny("student"), "--data.path", str(digits), "--trainer.fast_dev_run=true", "--model.output=r.json"])
    assert closing(capsys)[1] == [Path("r.json")]


def test_what_failed_is_not_told_as_done(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for name, data in contents(digits).items():
        (damaged / name).write_bytes(data)
    next(damaged.glob("*.tar")).write_bytes(b"")
    with pytest.raises(ShardError):
        main(["verify", str(damaged)])
    with pytest.raises(ShardError):
        main(["inspect", str(damaged)])
    with pytest.raises(ValueError, match=r"no result\.json"):
        main(["tables", str(damaged)])
    with pytest.raises(ValueError, match="number of epochs"):
        main(["fit", *tiny("student"), "--data.path", str(digits), "--trainer.max_epochs=0"])
    with pytest.raises(SystemExit):
        main(["doctor", *tiny("student"), "--data.path=nowhere"])
    assert "done:  " not in capsys.readouterr().err
