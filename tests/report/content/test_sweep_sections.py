from pathlib import Path

import pytest

from hieramp_lit.report.content.read_sweep import read_sweep
from hieramp_lit.report.content.sweep_grid import axes_of
from hieramp_lit.report.content.sweep_sections import found_line, landscape, metric_words, overview, trials_table
from hieramp_lit.report.page import Figure, Note
from tests.report.content.made import SCHEDULE, of_schedule, sweep, swept

TRIALS = (
    of_schedule("off", [], 0, 0, 0.5),
    of_schedule("c", ["coarse"], 5, 0.3, 0.61),
    of_schedule("m", ["mid"], 3, 0.5, 0.72, **{"student/ior_last": 0.031}),
    swept("bad", {SCHEDULE: {"beta": 99}}, None, "refused", "beta=99 is\ntoo strong"),
)


def made(goal="maximize", metric="student/top1_last", trials=TRIALS):
    return read_sweep(sweep(trials, goal, metric), Path("sweep.json"))


@pytest.mark.parametrize(
    ("goal", "line"),
    [("maximize", "Best of 3 trials: mid, β 3, ρ 50 %, top-1 last 72.0 ± 1.0 %."),
     ("minimize", "Best of 3 trials: nothing amplified, top-1 last 50.0 ± 1.0 %.")],
)  # fmt: skip
def test_the_best_is_told_in_a_line(goal, line):
    assert found_line(made(goal)) == line


def test_without_a_metric_no_trial_is_best():
    assert found_line(made(metric=None)) == (
        "3 of 4 trials are done; which is best is not known, as its file names no metric."
    )
    section = landscape(made(metric=None), "")
    assert not [block for block in section.blocks if isinstance(block, Figure)]
    assert "names no metric" in next(block for block in section.blocks if isinstance(block, Note)).text


def test_refused_trials_are_named_with_their_reason():
    chosen, note = (block for block in overview(made(), "").blocks if isinstance(block, Note))
    assert (note.kind, "(refused): beta=99 is too strong" in note.text) == ("warning", True)
    assert "chosen by the images that judge it" in chosen.text


def test_the_table_has_every_trial_best_first():
    read = made()
    table = trials_table(read, axes_of(read), "")
    titles = [column.title for column in table.columns]
    assert titles == ["rank", "amplified stages", "β", "ρ, %", "top-1 last, %", "±", "IOR, points", "seconds", "status",
                      "reason", "id"]  # fmt: skip
    assert [row[-1] for row in table.rows] == ["m", "c", "off", "bad"]
    assert table.rows[0][:7] == [1, "mid", 3, 50, pytest.approx(72), pytest.approx(1), pytest.approx(3.1)]
    assert table.rows[3] == [None, None, None, None, None, None, None, 7.0, "refused", "beta=99 is too strong", "bad"]
    assert "± sample standard deviation over 3 student seeds on one draw" in table.caption


def test_numbers_of_the_figures_are_those_of_the_trials():
    heat, parallel = (block for block in landscape(made(), "s-").blocks if isinstance(block, Figure))
    assert (heat.id, parallel.id) == ("s-heatmaps", "s-parallel")
    assert heat.numbers["panels"][0]["values"] == [[None, pytest.approx(61)], [None, None]]
    assert heat.numbers["panels"][1]["values"] == [[None, None], [pytest.approx(72), None]]
    assert heat.alt == "Best 72.0 at mid ρ 50 β 3; worst 61.0 at coarse ρ 30 β 5."
    assert "With nothing amplified: 50.0 ± 1.0 %" in heat.caption
    assert parallel.numbers["best"] == 2
    assert parallel.numbers["axes"][-1]["values"] == [pytest.approx(50), pytest.approx(61), pytest.approx(72), None]
    for figure in (heat, parallel):
        assert figure.draw() is not None


def test_the_lowest_is_best_where_less_is_better():
    heat = next(block for block in landscape(made("minimize"), "").blocks if isinstance(block, Figure))
    assert heat.alt.startswith("Best 61.0 at coarse")


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("student/top1_last", "top-1 last, %"),
        ("set/fid@inception", "set/fid@inception"),
        ("student/top5_best", "top-5 best, %"),
    ],
)
def test_metrics_in_words(metric, words):
    assert metric_words(metric) == words
