"""Every number of the figures by hand, in the figure, its table and its file alike."""

import csv
import dataclasses

import numpy as np
import pytest

from hieramp_lit.analysis import TokenMaps, analyze_tokens, changes
from hieramp_lit.analysis.token_figures import change_figures, distinct_figure, labels, statistics_figure, token_figures
from hieramp_lit.analysis.writing import write_analysis
from hieramp_lit.files import read_json
from hieramp_lit.var import Scales
from tests.analysis.synthetic import write_set

MAPS = TokenMaps(Scales((1, 2)), 8)


def made(folder, codes):
    """Two classes of four images; `codes` different codes in all positions of scale 1, one at scale 0."""
    shards = write_set(
        folder, lambda cls, index: np.array([0, *[index % codes[cls]] * 4], np.uint16), classes=2, patch_nums=(1, 2)
    )
    return analyze_tokens(shards, MAPS, heatmap_classes=[1])


@pytest.fixture
def sets(tmp_path):
    return {"plain": made(tmp_path / "plain", [2, 4]), "ours": made(tmp_path / "ours", [4, 4])}


def test_statistics(sets):
    figure, columns, rows = statistics_figure(sets)
    plain = figure.numbers["sets"]["plain"]
    assert [row["class_entropy_mean"] for row in plain] == pytest.approx([0, np.log(8) / 2])
    assert [row["class_coverage_mean"] for row in plain] == pytest.approx([1 / 8, 3 / 8])
    assert plain[1]["class_coverage_std"] == pytest.approx(np.std([2 / 8, 4 / 8], ddof=1))
    p = np.array([3, 3, 1, 1]) / 8  # of both classes together
    assert plain[1]["entropy"] == pytest.approx(-(p * np.log(p)).sum())
    assert plain[1]["coverage"] == 4 / 8
    assert [dict(zip(columns, row, strict=True)) for row in rows[:2]] == [{"set": "plain", **row} for row in plain]
    drawn = [list(axes.get_lines()[0].get_ydata()) for axes in figure.draw().axes]
    assert drawn[0] == [row["entropy"] for row in plain]
    assert drawn[3] == pytest.approx([100 / 8, 300 / 8])
    assert figure.table is not None
    assert figure.table.rows[1] == ["plain", 1, 2, "coarse", plain[1]["entropy"], 0.5, np.log(8) / 2, 3 / 8]
    assert (
        "plain: at the finest scale 1.26 nats and 50.0 % of the codebook as a whole, 1.04 nats and 37.5 %" in figure.alt
    )


def test_changes(sets):
    found = {"ours": changes(sets["ours"], sets["plain"])}
    entropy, coverage, entropy_scales, coverage_scales = change_figures(found, "plain", (1, 2))
    assert [one.figure.id for one in (entropy, coverage, entropy_scales, coverage_scales)] == [
        "entropy-changes", "coverage-changes", "entropy-changes-scales", "coverage-changes-scales",
    ]  # fmt: skip
    # class 0 rises from 2 to 4 codes, class 1 stays
    assert entropy.columns == (
        "stage",
        "set",
        "rise",
        "stay",
        "fall",
        "share_rise",
        "share_stay",
        "share_fall",
        "mean_change",
    )
    assert entropy.rows == [["coarse", "ours", 1, 1, 0, 0.5, 0.5, 0.0, pytest.approx(np.log(2) / 2)]]
    assert coverage.rows[0][-1] == pytest.approx(1 / 8)
    assert [row[:5] for row in entropy_scales.rows] == [
        ["ours", "scale 0, 1×1", 0, 2, 0], ["ours", "scale 1, 2×2", 1, 1, 0],
    ]  # fmt: skip
    assert entropy.figure.numbers["rows"][0]["share_rise"] == 0.5
    rises, stays, falls = entropy.figure.draw().axes[0].containers
    assert [bars[0].get_width() for bars in (rises, stays, falls)] == [50, 50, 0]
    assert "coarse, ours: rises in 50 %, falls in 0 %" in entropy.figure.alt
    assert entropy.figure.table is not None
    assert entropy.figure.table.rows[0][:5] == ["coarse", "ours", 1, 1, 0]


def test_distinct_codes(sets):
    figure, columns, rows = distinct_figure(sets, 1)
    assert figure.numbers["counts"] == {name: [[[1]], [[4, 4], [4, 4]]] for name in ("plain", "ours")}
    assert figure.numbers["means"]["ours"] == [1.0, 4.0]
    drawn = figure.draw().axes[0]
    assert [mesh.get_array().ravel().tolist() for mesh in drawn.collections] == [[1], [4] * 4] * 2
    assert len(rows) == 2 * 5
    assert dict(zip(columns, rows[-1], strict=True)) == {
        "set": "ours", "cls": 1, "class": "class 1", "scale": 1, "side": 2, "row": 1, "column": 1, "distinct_codes": 4,
        "images": 4,
    }  # fmt: skip


def test_files_say_what_figures_show(sets, tmp_path):
    found = {"ours": changes(sets["ours"], sets["plain"])}
    figures = token_figures(sets, found, "plain")
    assert [one.figure.id for one in figures][::5] == ["token-statistics", "distinct-codes-0001"]
    chosen = [figures[1], figures[5]]
    written = write_analysis(tmp_path / "out", {"schema": 1}, chosen)
    names = {path.name for path in written}
    assert names == {path.name for path in (tmp_path / "out").iterdir()}
    for one in chosen:
        assert {f"{one.figure.id}.{kind}" for kind in ("csv", "png", "pdf", "svg")} <= names
        with (tmp_path / "out" / f"{one.figure.id}.csv").open(newline="") as file:
            header, *rows = csv.reader(file)
        assert header == list(one.columns)
        assert rows == [[str(cell) for cell in row] for row in one.rows]
    assert read_json(tmp_path / "out" / "analysis.json") == {"schema": 1}
    assert not [one for one in token_figures({"ours": sets["ours"]}, {}, None) if "changes" in one.figure.id]


def test_sets_are_called_by_schedule_then_by_generator_then_by_folder(sets):
    plain, ours = sets.values()
    assert labels([plain]) == ["hieramp"]  # a configuration without schedule
    assert labels([plain, ours]) == ["hieramp (plain)", "hieramp (ours)"]
    assert labels([plain, plain]) == ["hieramp (plain) [1]", "hieramp (plain) [2]"]
    configuration = {"tokens": {"patch_nums": [1, 2], "vocab_size": 8}, "schedule": None, "sampling": {}}
    off = dataclasses.replace(plain, about={**plain.about, "configuration": configuration})
    encoded = dataclasses.replace(ours, about={**ours.about, "tokens": "encoded"})
    assert labels([off, encoded]) == ["no amplification", "hieramp, encoded"]


def test_sets_of_other_scales_share_no_figure(sets):
    other = dataclasses.replace(sets["ours"], maps=TokenMaps(Scales((1, 2)), 9))
    with pytest.raises(ValueError, match=r"different token maps or codebooks .* ours: Scales\(\[1, 2\]\), 9 codes"):
        statistics_figure({"plain": sets["plain"], "ours": other})
