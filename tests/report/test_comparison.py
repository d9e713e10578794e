import io
from typing import Any

import pytest
from rich.console import Console

from hieramp_lit.report.comparison import ComparisonRow, Judged, comparison_json, comparison_markdown, comparison_table
from tests.report.test_results import result as one_run

PROTOCOL = {"name": "rded", "constants": {}, "changed": {"epochs": {}, "mix": {}}}


def result(last: float, best: float) -> dict[str, Any]:
    made: dict[str, Any] = one_run(last, best, protocol=PROTOCOL)
    return made


REAL = Judged(result(0.5, 0.55), plain=result(0.4, 0.4))
ROW = ComparisonRow.of(
    "ours", (32, 32), Judged(result(0.62, 0.6), hard=result(0.4, 0.4), plain=result(0.36, 0.4)), ("real", REAL),
    ("hlr", "lrs", "ars"), full=0.9,
)  # fmt: skip


def test_what_a_row_adds_by_hand() -> None:
    assert ROW.ior == pytest.approx({"top1_last": 0.12, "top1_best": 0.05})
    assert ROW.scores["hlr"] == pytest.approx(0.5)
    assert ROW.scores["lrs"] == pytest.approx((0.826959 - 0.367879) / 2.350402, abs=1e-6)  # e^(0.06 - 0.25)
    assert ROW.scores["ars"] == pytest.approx((1.040811 - 0.367879) / 2.350402, abs=1e-6)  # e^(0.06 - 0.02)


def test_columns_stand_where_something_is_in_them() -> None:
    bare = ComparisonRow("bare", (12, 20), Judged(result(0.1, 0.2)))
    names = [column.header for column in comparison_table([bare]).columns]
    assert names == ["set", "IPC", "last", "best"]
    text = comparison_markdown([ROW, bare])
    assert "| ours | 1 | 32×32 | 62.0 | 60.0 | +12.0 | 40.0 | 36.0 | 50.0 | 0.195 | 0.286 |" in text
    assert "| bare | 1 | 12×20 | 10.0 | 20.0 |  |  |  |  |  |  |" in text
    assert text.startswith("Top-1 in % of convnet3 on 450 validation images, protocol rded but for epochs, mix\n")
    assert "one run each; IOR: points" in text
    assert "hard: with hard labels" in text
    assert "no aug: on images neither cropped nor mixed" in text
    assert not {"IOR", "hard", "no aug"} & set(comparison_markdown([bare]).split())


def test_no_number_is_cut_on_a_narrow_terminal() -> None:
    screen = io.StringIO()
    Console(file=screen, width=80).print(comparison_table([ROW]))
    for number in ("62.0", "+12.0", "40.0", "36.0", "50.0", "0.195", "0.286"):
        assert number in screen.getvalue()


def test_json_says_the_constants_of_each_row() -> None:
    """Epochs and batch size follow the images per class."""
    rows = []
    for epochs in (300, 1000):
        cell = result(0.5, 0.5)
        cell["protocol"] = {"name": "rded", "version": "1.0", "constants": {"epochs": epochs}, "changed": {}}
        rows.append(ComparisonRow(str(epochs), (32, 32), Judged(cell)))
    data = comparison_json(rows)
    assert [row["protocol"]["constants"] for row in data["rows"]] == [{"epochs": 300}, {"epochs": 1000}]
    assert data["protocol"] == {"name": "rded", "version": "1.0"}


def test_json_holds_shares_and_what_is_common() -> None:
    data = comparison_json([ROW], full=0.9)
    assert (data["student"], data["validation"]["n"], data["full_hard_label_top1"]) == (
        {"architecture": "convnet3"}, 450, 0.9
    )  # fmt: skip
    (row,) = data["rows"]
    assert row["summary"]["mean"]["top1_last"] == 0.62
    assert row["hard_labels"]["mean"]["top1_last"] == 0.4
    assert row["reference"] == "real"
    assert "class_list" not in row["set"]


@pytest.mark.parametrize(
    ("score", "judged", "reference", "full", "message"),
    [
        ("hlr", Judged(REAL.protocol), None, 0.9, "--scores hlr needs hard-label students"),
        ("hlr", Judged(REAL.protocol, hard=REAL.protocol), None, None, "--full"),
        ("lrs", Judged(REAL.protocol, hard=REAL.protocol), None, 0.9, "--scores lrs needs random real images"),
        ("ars", Judged(REAL.protocol, plain=REAL.protocol), None, None, "--scores ars needs random real images"),
        ("ars", Judged(REAL.protocol), ("real", REAL), None, "not augmented"),
        ("ars", ROW.judged, ("real", Judged(REAL.protocol)), None, "not augmented"),
    ],
)
def test_a_score_without_its_parts_is_refused(
    score: str, judged: Judged, reference: tuple[str, Judged] | None, full: float | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ComparisonRow.of("x", (32, 32), judged, reference, (score,), full)
