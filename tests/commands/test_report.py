"""`hieramp report` from the command line."""

import json
from pathlib import Path

import pytest

from hieramp_lit.cli import main
from tests.report.content.made import OFF, cell, made_set, sweep, swept, write
from tests.shards.making import make_set


@pytest.fixture
def made(tmp_path):
    shards = made_set(tmp_path / "sets/made", images_per_class=1, class_subset=[0, 1, 2])
    write(tmp_path / "students/result.json", cell(shards, [0.5, 0.7]))
    return shards


def test_it_writes_the_page_and_says_where(made, capsys):
    main(["report", "students", "-o", "out/page.html", "--figures", "out/figures"])
    told = capsys.readouterr().err
    assert "sections built" in told
    assert all(f"where: out/{name}" in told for name in ("page.html", "page.json", "figures"))
    content = json.loads(Path("out/page.json").read_text())
    assert content["subtitle"].startswith("Amplified: coarse, β 5, ρ 50 %: top-1 60.0 ± 14.1 % after the last epoch")
    assert Path("out/figures/accuracy-last.pdf").is_file()
    assert "60.0 ± 14.1 %" in Path("out/page.html").read_text()
    assert told.endswith("next:  hieramp tables students\n")


def test_figures_are_written_beside_the_page_unless_refused(made):
    main(["report", "students", "-o", "out/page.html"])
    assert {path.suffix for path in Path("out/page_figures").iterdir()} == {".png", ".pdf"}
    main(["report", "students", "-o", "bare/page.html", "--no-figures"])
    assert sorted(path.name for path in Path("bare").iterdir()) == ["page.html", "page.json"]


def test_nothing_known_and_nothing_there_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty: nothing that a report tells of.*manifest\.json"):
        main(["report", "empty"])
    with pytest.raises(FileNotFoundError, match="gone: there is no such file or folder"):
        main(["report", "gone"])
    assert not Path("report.html").exists()


def test_a_page_ends_in_html_and_takes_no_others_place(made):
    with pytest.raises(ValueError, match=r"\.html"):
        main(["report", "students", "-o", "page.pdf"])
    before = Path("students/result.json").read_text()
    with pytest.raises(ValueError, match=r"students/result\.json, which is no report"):
        main(["report", "students", "-o", "students/result.html"])
    assert Path("students/result.json").read_text() == before


def test_a_place_that_cannot_be_written_is_explained(made):
    Path("file").write_text("")
    with pytest.raises(OSError, match="--output"):
        main(["report", "students", "-o", "file/page.html"])


def test_arguments_are_checked(capsys):
    with pytest.raises(SystemExit) as refused:
        main(["report", "students", "--limit-mb", "0"])
    assert refused.value.code == 2
    assert "--limit-mb" in capsys.readouterr().err


@pytest.mark.parametrize("named", ["", "/manifest.json"], ids=["folder", "file"])
def test_after_a_set_come_its_tokens(made, capsys, named):
    make_set(Path("sets/real"), images_per_class=1, class_subset=[0, 1, 2])
    made_set(Path("sets/plain"), OFF, images_per_class=1, class_subset=[0, 1, 2])
    made_set(Path("sets/seeded"), OFF, images_per_class=1, class_subset=[0, 1, 2], seed=3)
    for source, against, after in [
        ("made", [], "sets/made"),
        ("made", ["--against", "sets/plain"], "sets/made --against sets/plain"),
        ("made", ["--against", "sets/seeded"], "sets/made"),  # analyze would refuse it
        ("real", [], "sets/real --tokenizer TOKENIZER"),
    ]:
        main(["report", f"sets/{source}{named}", *against, "-o", "page.html", "--no-figures"])
        assert capsys.readouterr().err.endswith(f"next:  hieramp analyze {after}\n")


def test_after_a_file_that_tells_of_results_come_those_of_its_folder(capsys):
    write(Path("swept/sweep.json"), sweep([swept("a", {"x": 1}, None, "waiting")], metric=None))
    main(["report", "swept/sweep.json", "-o", "page.html", "--no-figures"])
    assert capsys.readouterr().err.endswith("next:  hieramp tables swept\n")
