"""The tables as Markdown, LaTeX and CSV."""

import csv
import io
import re
from typing import Any

import pytest

from hieramp_lit.amplify import Amplification
from hieramp_lit.report.paper import paper_cells
from hieramp_lit.report.paper_formats import render
from tests.report.made_results import bench, configuration, result, tables

COARSE = Amplification(beta=5, rho=0.3, stages=["coarse"])


def test_what_all_schedules_have_in_common_is_said_once() -> None:
    def cell(beta: int, **options: Any) -> dict[str, Any]:
        made = configuration(Amplification(beta=beta, **options), patch_nums=(1, 2, 3, 4))
        return result([0.9], classes="digits", made_by=made)

    unconditional = {"saliency": "unconditional"}
    text = render(list(tables(cell(5, **unconditional), cell(3, **unconditional)).values()), "markdown")
    assert text.count("saliency unconditional") == 1
    assert "ours with saliency unconditional" in text.partition("|")[0]
    rows = [line for line in text.splitlines() if line.startswith("| HIERAMP")]
    assert [row.split(" | ")[1] for row in rows] == ["full 3 50%", "full 5 50%"]
    text = render(list(tables(cell(5, **unconditional), cell(3)).values()), "markdown")
    assert "| full 5 50%, saliency unconditional |" in text


def test_notes_of_the_paper_are_footnotes() -> None:
    found = tables(result([0.5]))
    text = render([found["2"]], "markdown")
    note = "Table 1 gives 47.6 for the same cell."
    number = re.search(rf"^\[(\d+)\] {re.escape(note)}$", text, re.MULTILINE)[1]
    assert f"| 44.6 ± 0.5 [{number}] |" in text
    other = "the paper's text calls this cell a MobileNet-V2 teacher"
    assert (other.capitalize()[:9] in text) == any(line.paper.note.startswith(other) for line in found["2"].lines)


def test_latex_is_balanced_and_escaped() -> None:
    found = tables(
        result([0.5], student="mobilenet_v2", changed={"lr_&_{x}": {}}),
        result([0.5], classes="digits", made_by=configuration(COARSE)),
        bench(plain=(0.2, 2**31)),
    )
    text = render(list(found.values()), "latex", ["50% of_it"])
    assert [text.count(rf"\begin{{{name}}}") for name in ("table", "tabular")] == [len(found)] * 2
    assert [text.count(rf"\end{{{name}}}") for name in ("table", "tabular")] == [len(found)] * 2
    code = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    bare = re.sub(r"\\[&%$#_{}]", "", code)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert not re.search("[%_#±–−βρ³]", re.sub(r"\$\^\{\d+\}\$", "", bare))
    for rows in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", bare, re.DOTALL):
        widths = {line.count(" & ") + 1 for line in rows[1].splitlines() if line.endswith(r" \\")}
        assert widths == {len(rows[0])}


def test_csv_gives_the_numbers_back() -> None:
    found = tables(result([0.47, 0.485], last=[0.46, 0.4655]), bench(amplified=(0.3, 2**30)))
    lines = list(csv.DictReader(io.StringIO(render(list(found.values()), "csv"))))
    assert len(lines) == sum(len(one.lines) for one in found.values())
    (main,) = [line for line in lines if line["table"] == "1" and line["source"]]
    assert float(main["ours_best_mean"]) == pytest.approx(47.75, abs=1e-12)
    assert float(main["ours_last_mean"]) == pytest.approx(46.275, abs=1e-12)
    assert float(main["difference"]) == float(main["ours_best_mean"]) - float(main["paper_mean"])
    assert (main["compared"], main["n"], main["seeds"], main["protocol"]) == ("best", "2", "0, 1", "rded 1.0")
    (time,) = [line for line in lines if line["table"] == "8" and line["source"]]
    assert (float(time["ours_value_mean"]), time["compared"]) == (0.15, "value")
    papers = {(cell.table, cell.method, cell.setting, cell.student, cell.teacher): cell.mean for cell in paper_cells()}
    for line in lines:
        if line["table"] in {"2", "3"}:
            key = tuple(line[name] for name in ("table", "method", "setting", "student", "teacher"))
            assert float(line["paper_mean"]) == papers[key]


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="--format html"):
        render(list(tables(result([0.5])).values()), "html")
