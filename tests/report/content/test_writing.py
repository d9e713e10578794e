import re

import pytest

from hieramp_lit.report.content import build_report, write_report
from hieramp_lit.report.content.writing import check_output
from hieramp_lit.report.page import as_json
from hieramp_lit.shards import ShardSet
from tests.analysis.synthetic import write_set
from tests.report.content.made import cell, made_set, of_schedule, stage, sweep, trial, write, write_metrics


@pytest.fixture
def sets(home):
    return {name: ShardSet.open(home / "store" / name) for name in ("made", "off")}


def titles(report):
    return [section.title for section in report.sections]


def ids(report):
    content = as_json(report)
    found = [block["id"] for section in content["sections"] for block in section["blocks"] if "id" in block]
    assert all(re.fullmatch("[a-z][a-z0-9]*(-[a-z0-9]+)*", name) for name in found)
    assert len(set(found)) == len(found)
    return found


@pytest.fixture
def swept(home, sets):
    trials = [of_schedule("off", [], 0, 0, 0.5), of_schedule("made", ["coarse"], 5, 0.5, 0.9)]
    file = write(home / "store/written/sweep.json", sweep(trials))
    for name, top1 in (("off", 0.5), ("made", 0.9)):
        if not (home / f"store/students/{name}").exists():
            write_metrics(home / f"store/students/{name}", 0, {0: top1})
        others = {"students": stage(f"store/students/{name}", "students")}
        write(file.parent / f"trials/{name}/result.json", trial(home / "store", sets[name], [top1], others))
    return file.parent


def test_a_sweep_and_its_best_trial_have_every_section(swept):
    report = build_report([swept])
    assert report.title == "Sweep made"
    assert report.subtitle == "Best of 2 trials: coarse, β 5, ρ 50 %, top-1 last 90.0 ± 1.0 %."
    assert titles(report) == [
        "What was searched", "What the metric depends on", "What amplification does to the tokens",
        "Cost of the sweep", "Best trial: accuracy", "Best trial: images", "Best trial: what was made from what",
        "Best trial: what students learn", "Best trial: tokens", "Best trial: where class tokens look",
        "Best trial: failures", "Best trial: cost",
    ]  # fmt: skip
    assert ids(report)


def test_numbers_of_the_best_trial_are_its_own(swept):
    content = as_json(build_report([swept]))
    blocks = {block["id"]: block for section in content["sections"] for block in section["blocks"] if "id" in block}
    assert blocks["best-accuracy-last"]["numbers"]["bars"][0] == {
        "label": "amplified: coarse, β 5, ρ 50 %", "mean": 90.0, "std": None, "kind": "ours",
    }  # fmt: skip
    assert blocks["best-curves"]["numbers"]["plain"][0]["top1"] == [50.0]


def test_several_sources_are_compared_and_each_has_its_part(home, sets, swept):
    students = write(home / "else/result.json", cell(sets["off"], [0.25])).parent
    report = build_report([swept, students])
    assert titles(report)[0] == "Side by side"
    bars = as_json(report)["sections"][0]["blocks"][0]["numbers"]["bars"]
    assert [(bar["label"], bar["mean"]) for bar in bars] == [
        ("made, best trial: amplified: coarse, β 5, ρ 50 %", 90.0),
        ("made, best trial: plain", 50.0),
        ("else: plain", 25.0),
    ]
    assert "else: Accuracy" in titles(report)
    assert ids(report)


def test_a_set_is_shown_with_its_students(home, sets):
    students = write(home / "apart/result.json", cell(sets["made"], [0.5])).parent
    report = build_report([sets["made"].path, students], against=sets["off"].path)
    assert report.title == "Students apart"
    assert {"Accuracy", "Images"} <= set(titles(report))
    assert "entropy-changes" in ids(report)


def test_against_takes_a_plain_set_alone(sets):
    assert "entropy-changes" in ids(build_report([sets["made"].path], against=sets["off"].path))
    with pytest.raises(ValueError, match=r"--against .*nothing amplified"):
        build_report([sets["off"].path], against=sets["made"].path)


def test_against_lies_beside_nothing_that_is_not_amplified(tmp_path, sets, swept):
    other = write_set(tmp_path / "real", lambda cls, index: None, configuration={}, generator="random_real")
    for sources in ([other.path], [swept]):
        report = build_report(sources, against=sets["off"].path)
        first = as_json(report)["sections"][0]["blocks"]
        assert [block for block in first if "--against" in block.get("text", "")]
        assert titles(report) == titles(build_report(sources))
        assert report.subtitle == build_report(sources).subtitle
    both = as_json(build_report([other.path, sets["made"].path], against=sets["off"].path))
    assert "lies beside nothing" not in str(both)


def test_a_set_of_another_seed_names_no_flag_of_another_command(tmp_path, sets):
    told = str(as_json(build_report([sets["made"].path], against=made_set(tmp_path / "seeded", None, seed=7).path)))
    assert "seed: 0 and 7" in told
    assert "tokenizer and seed." in told
    assert "--any-seed" not in told


def test_progress_counts_sections_up_to_all(sets):
    told = []
    build_report([sets["made"].path], progress=lambda number, total: told.append((number, total)))
    assert [number for number, _ in told] == list(range(1, told[-1][1] + 1))


@pytest.mark.parametrize("content", ["{}", "{", '{"trials": []}'])
def test_the_json_replaces_no_other_file(tmp_path, sets, content):
    (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(ValueError, match=r"sweep\.json, which is no report, would be replaced.*report\.html"):
        write_report([sets["made"].path], tmp_path / "sweep.html")
    assert (tmp_path / "sweep.json").read_text() == content


def test_a_reports_own_json_may_be_replaced(sets, tmp_path):
    write(tmp_path / "page.json", as_json(build_report([sets["made"].path])))
    check_output(tmp_path / "page.html")


def test_a_set_of_another_size_has_no_pictures_side_by_side(tmp_path, sets):
    few = made_set(tmp_path / "few", None, images_per_class=1)
    report = build_report([sets["made"].path], against=few.path)
    told = [block for section in as_json(report)["sections"] for block in section["blocks"]]
    assert any("cannot be told" in block.get("text", "") for block in told)  # what changes, class by class
    assert "contact-sheet" in ids(report)
