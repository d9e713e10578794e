import io
import shlex
from pathlib import Path

import pytest
from rich.console import Console

from hieramp_lit.commands.closing import close, command_line


def test_it_says_what_where_how_long_and_what_to_type() -> None:
    console = Console(file=io.StringIO(), width=20)
    following = command_line("verify", Path("sets/my [bold] set"))
    close("600 images of 10 classes", [Path("sets/my [bold] set"), Path("b")], 3661.2, following, console=console)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "done:  600 images of 10 classes",
        "where: sets/my [bold] set",
        "where: b",
        "took:  1:01:01",
        "next:  hieramp verify 'sets/my [bold] set'",
    ]


def test_standard_output_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    close("nothing", [], 0, None)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "done:  nothing\ntook:  0:00:00\n"


def test_a_shell_reads_the_words_back() -> None:
    words = ["predict", "--config", Path("my configs/a'b.yaml"), "--model.seed", 3]
    assert shlex.split(command_line(*words)) == ["hieramp", *map(str, words)]
