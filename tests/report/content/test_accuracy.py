import math

import pytest

from hieramp_lit.amplify import Amplification
from hieramp_lit.report.content.accuracy import accuracy_blocks, accuracy_section, judged_of, lead, paper_beside, unlike
from hieramp_lit.report.content.story import Member, Story
from hieramp_lit.report.page import Figure, Note, Table
from tests.report.made_results import configuration, result

OURS, REAL = [0.5, 0.7], [0.4, 0.5]
STD = math.sqrt(0.02)  # of 0.5 and 0.7: 0.1² twice, over n − 1 = 1


def members(ours=OURS, real=REAL, **options):
    found = [Member("amplified", "amplified", result=result([one + 0.1 for one in ours], ours, **options))]
    if real is not None:
        found.append(Member("random real", "real", result=result(real, real, generator="random_real", **options)))
    return found


def story(tmp_path, found):
    return Story("one", "students", tmp_path, tuple(found))


def parts(blocks):
    figures = {block.id: block for block in blocks if isinstance(block, Figure)}
    return figures, next(block for block in blocks if isinstance(block, Table)), [
        block.text for block in blocks if isinstance(block, Note)
    ]  # fmt: skip


def test_bars_are_mean_and_sample_deviation_in_per_cent():
    figures, table, _ = parts(accuracy_blocks(judged_of(members(classes="digits")), "p-"))
    ours, real = figures["p-accuracy-last"].numbers["bars"]
    assert (ours["mean"], ours["std"], ours["kind"]) == (pytest.approx(60), pytest.approx(100 * STD), "ours")
    assert (real["mean"], real["kind"]) == (pytest.approx(45), "real")
    assert figures["p-accuracy-best"].numbers["bars"][0]["mean"] == pytest.approx(70)
    row = dict(zip([column.title for column in table.columns], table.rows[0], strict=True))
    assert row["IOR last"] == pytest.approx(15)
    assert row["IOR best"] == pytest.approx(25)
    assert (row["n"], row["± last"]) == (2, pytest.approx(100 * STD))


def test_what_the_deviation_is_over_is_said():
    figures, table, _ = parts(accuracy_blocks(judged_of(members(classes="digits")), ""))
    over = "ean ± sample standard deviation over 2 runs (student seeds)"
    assert over in figures["accuracy-last"].caption
    assert over in table.caption
    figures, _, _ = parts(accuracy_blocks(judged_of(members([0.5], None, classes="digits")), ""))
    assert "one run each" in figures["accuracy-last"].caption
    assert figures["accuracy-last"].numbers["bars"][0]["std"] is None
    draws = Member("amplified", "amplified", result=result(OURS, classes="digits", draws=[0, 1]))
    figures, _, _ = parts(accuracy_blocks(judged_of([draws]), ""))
    assert "2 runs (draws of the set)" in figures["accuracy-last"].caption


def test_the_paper_stands_beside_the_best_epoch_of_the_same_experiment():
    judged = judged_of(members(real=None, changed={}))
    rows, _ = paper_beside(judged)
    assert {(row.paper.method, row.paper.dataset, row.paper.ipc) for row in rows} == {("HIERAMP", "imagenet1k", 10)}
    figures, table, _ = parts(accuracy_blocks(judged, ""))
    assert [bar["kind"] for bar in figures["accuracy-last"].numbers["bars"]] == ["ours"]
    paper = [bar for bar in figures["accuracy-best"].numbers["bars"] if bar["kind"] == "paper"]
    assert {bar["mean"] for bar in paper} == {row.paper.mean for row in rows}
    assert any("paper, Table 1" in row[0] for row in table.rows)
    assert "best epoch" in figures["accuracy-best"].caption


def test_another_protocol_has_no_number_of_the_paper_but_the_reason():
    changed = {"epochs": {"used": 5, "protocol": 300}}
    rows, reasons = paper_beside(judged_of(members(real=None, changed=changed)))
    assert rows == []
    assert "RDED's protocol, but its epochs changed" in reasons[0].text
    rows, reasons = paper_beside(judged_of(members(real=None, changed={}, classes="digits")))
    assert rows == []
    assert reasons == [Note("A number of the paper beside amplified: the paper has nothing on digits.", "missing")]


def test_another_schedule_lies_beside_the_papers_with_a_remark():
    own = configuration(Amplification(9.0, 0.1, ["fine"]))
    rows, (note,) = paper_beside(judged_of(members(real=None, changed={}, made_by=own)))
    assert {row.paper.method for row in rows} == {"HIERAMP"}
    assert (note.kind, "another schedule than the paper's" in note.text) == ("info", True)


def test_random_real_images_of_other_students_give_no_ior():
    other = Member("random real", "real", result=result(REAL, generator="random_real", student="resnet50"))
    assert judged_of([*members(real=None), other])[0].real is None


def test_what_makes_students_differ_beside_their_sets_is_warned_of():
    assert unlike(judged_of(members())) == []
    (note,) = unlike(judged_of([*members(), *members(student="resnet50", ipc=50)]))
    assert note.kind == "warning"
    assert "differ in student, images per class too" in note.text


def test_one_line_says_what_came_out():
    assert lead(judged_of(members(classes="digits"))) == (
        "Amplified: top-1 60.0 ± 14.1 % after the last epoch, 15.0 points above random real images (45.0 ± 7.1 %); "
        "mean ± sample standard deviation over 2 runs (student seeds)."
    )


def test_what_is_missing_is_named_with_its_command(tmp_path):
    section = accuracy_section(story(tmp_path, members(real=None)), "")
    assert any("hieramp compare" in text for text in parts(section.blocks)[2])
    (note,) = accuracy_section(story(tmp_path, [Member("amplified", "amplified")]), "").blocks
    assert (note.kind, "hieramp students" in note.text) == ("missing", True)


def test_figures_draw():
    figures, _, _ = parts(accuracy_blocks(judged_of(members()), ""))
    assert all(figure.draw() is not None for figure in figures.values())
