"""`hieramp tables` from the command line."""

from pathlib import Path

import pytest

from hieramp_lit.cli import main
from tests.report.made_results import bench, configuration, inspection, result, write


def test_it_shows_or_writes_the_same_tables(capsys: pytest.CaptureFixture[str]) -> None:
    write(result([0.5]), "runs/a/result.json")
    write(bench(plain=(0.2, None)), "bench.json")
    main(["tables", "runs", "bench.json"])
    shown = capsys.readouterr().out
    assert [line[:8] for line in shown.splitlines() if line.startswith("Table ")] == [
        "Table 1:",
        "Table 2:",
        "Table 3:",
        "Table 9:",
    ]
    main(["tables", "runs", "bench.json", "--out", "out/tables.md"])
    assert capsys.readouterr().out == ""
    assert Path("out/tables.md").read_text() == shown


@pytest.mark.parametrize("form", ["markdown", "latex", "csv"])
def test_what_was_left_out_is_said_in_every_format(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(result([0.5]), "runs/a/result.json")
    Path("runs/b").mkdir()
    Path("runs/b/result.json").write_text("{")
    main(["tables", "runs", "--format", form])
    said = capsys.readouterr()
    assert "runs/b/result.json" in (said.err if form == "csv" else said.out)


def test_a_folder_of_nothing_readable_is_an_error() -> None:
    Path("runs").mkdir()
    Path("runs/result.json").write_text("{")
    with pytest.raises(ValueError, match=r"runs/result\.json cannot be read"):
        main(["tables", "runs"])


def test_an_unknown_table_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["tables", "runs", "--table", "12"])
    assert "12" in capsys.readouterr().err


def test_numbers_of_another_kind_are_left_out_of_the_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    write(result([0.5]), "runs/result.json")
    write(inspection(17.0, "var", configuration(None)), "runs/inspect.json")
    main(["tables", "runs", "--table", "3"])
    shown = capsys.readouterr().out
    assert "- runs/inspect.json: Table 3 measures top1, not fid." in shown
    assert "17.0" not in shown
    with pytest.raises(ValueError, match=r"Table 9 measures peak_memory_gb, seconds_per_image, not top1"):
        main(["tables", "runs", "--table", "9"])
