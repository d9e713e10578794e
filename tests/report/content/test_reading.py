import json
import shutil
from pathlib import Path

import pytest

from hieramp_lit.report.content.read_sweep import best_story
from hieramp_lit.report.content.reading import read_source
from hieramp_lit.shards import ShardSet
from tests.report.content.made import cell, of_schedule, stage, sweep, swept, trial, write, write_metrics


@pytest.fixture
def sets(home):
    return {name: ShardSet.open(home / "store" / name) for name in ("made", "off")}


def test_a_set_is_known_by_its_manifest(sets):
    story = read_source(sets["made"].path)
    assert (story.what, story.name) == ("shard set", "made")
    assert story.main.title == "amplified: coarse, β 5, ρ 50 %"
    assert story.main.result is None
    assert read_source(sets["made"].path / "manifest.json").name == "made"


def test_an_inspection_counts_if_it_is_of_this_very_set(sets, tmp_path):
    folder = shutil.copytree(sets["made"].path, tmp_path / "set")
    described = {"set": {"manifest_sha256": sets["made"].manifest.hash}, "summary": {}}
    write(folder / "inspect.json", described)
    assert read_source(folder).main.inspected == described
    write(folder / "inspect.json", {"set": {"manifest_sha256": "another"}})
    assert read_source(folder).main.inspected is None


def test_a_trial_finds_its_store_from_the_folder_above(home, sets):
    students = home / "store/students/x"
    write_metrics(students, 0, {0: 0.5})
    others = {"off": stage("store/off", "predict"), "students": stage("store/students/x", "students")}
    file = write(home / "store/trials/one/result.json", trial(home / "store", sets["made"], [0.5, 0.7], others))
    story = read_source(file.parent)
    assert story.what == "trial"
    assert [(member.kind, member.draws[0].path.name) for member in story.members] == [
        ("amplified", "made"),
        ("plain", "off"),
    ]
    assert list(story.main.curves) == ["seed 0"]
    assert [(record.name, record.images) for record in story.stages] == [
        ("generate", 20),
        ("off", 20),
        ("students", None),
    ]
    assert story.missing == ()


def test_what_a_trial_names_and_is_gone_is_said(home, sets):
    others = {"real": stage("store/gone", "predict"), "students": stage("store/students/gone", "students")}
    file = write(home / "store/trials/two/result.json", trial(home / "store", sets["made"], [0.5], others))
    story = read_source(file)
    assert [member.kind for member in story.members] == ["amplified", "real"]
    assert not story.members[1].draws
    assert ["store/gone" in one or "store/students/gone" in one for one in story.missing] == [True, True]


@pytest.mark.parametrize(("recorded", "images"), [(None, None), (2.5, 4)])
def test_images_of_an_off_set_that_is_gone_are_those_it_recorded(home, sets, recorded, images):
    cost = {} if recorded is None else {"seconds_per_image": recorded}
    others = {"off": stage("store/gone", "predict", 10.0, **cost)}
    story = read_source(
        write(home / "store/trials/gone/result.json", trial(home / "store", sets["made"], [0.5], others))
    )
    assert [record.images for record in story.stages] == [20, images]
    assert any("images the stage off made is not recorded" in one for one in story.missing) == (images is None)


def test_a_trial_without_students_has_a_set_alone(home, sets):
    content = {"schema": 1, "trial": trial(home / "store", sets["made"], [0.5])["trial"]}
    story = read_source(write(home / "store/trials/three/result.json", content))
    assert story.main.draws
    assert story.main.result is None


def test_students_name_their_set_by_their_configuration(home, sets):
    write_metrics(home / "students", 0, {0: 0.4})
    (home / "students/config.yaml").write_text("data:\n  init_args:\n    path: store/made\n")
    reference = {"set": {"images_per_class": 2, "classes": 10}, "n": 1, "over": []}
    reference |= {name: {"top1_last": 0.25, "top1_best": 0.25} for name in ("mean", "std_sample", "std_population")}
    content = cell(sets["made"], [0.5]) | {"random_real_reference": reference}
    story = read_source(write(home / "students/result.json", content))
    assert story.main.draws[0].path.name == "made"
    assert [member.title for member in story.members] == ["amplified: coarse, β 5, ρ 50 %", "random real"]
    content["set"]["manifest_sha256"] = ["of another set"]
    story = read_source(write(home / "students/result.json", content))
    assert not story.main.draws
    assert "not the set that these students were trained on" in story.missing[0]


def test_a_comparison_has_a_member_a_row(home, sets):
    made = cell(sets["made"], [0.5, 0.7])
    same = {name: made[name] for name in ("student", "teacher", "validation", "student_seeds")} | {"precision": "32"}
    row = {name: made[name] for name in ("protocol", "set", "summary")} | {"title": "mine", "scores": {"lrs": 0.25}}
    story = read_source(write(home / "cmp/compare.json", {**same, "rows": [row | {"ior": None, "reference": None}]}))
    assert (story.what, story.main.title, story.facts) == ("comparison", "mine", (("LRS of mine", "0.250"),))
    assert story.main.result["summary"]["mean"]["top1_last"] == pytest.approx(0.6)
    assert "does not say where the sets lie" in story.missing[0]


def test_a_demo_joins_its_draws(home, sets):
    for seed, accuracy in ((0, 0.4), (1, 0.6)):
        made = cell(sets["made"], [accuracy], draws=[seed])
        made["per_seed"][0]["manifest_sha256"] = f"draw {seed}"
        write_metrics(home / f"demo/students/a-{seed}", 0, {0: accuracy})
        write(home / f"demo/students/a-{seed}/result.json", made)
    draws = [{"seed": seed, "set": "../store/made", "student": f"students/a-{seed}"} for seed in (0, 1)]
    plain = [{"seed": 0, "set": "../store/off", "student": "students/gone"}]
    cost = {"device": "cpu (x)", "devices": 1, "peak_memory_bytes": 2**30, "peak_device_memory_bytes": None}
    write(home / "demo/inspect.json", {"summary": {"x": 1.0}})
    content = {"schema": 1, "sets": {"plain": plain, "amplified": draws}, "seconds": {"tuning": 3.0, "sets": 8.0},
               "inspect": {"amplified": "inspect.json"}, "cost": {"sets": cost}, "commands": ["hieramp"]}  # fmt: skip
    story = read_source(write(home / "demo/demo.json", content).parent)
    assert [member.title for member in story.members] == ["amplified", "plain"]
    assert story.main.result["summary"]["mean"]["top1_last"] == pytest.approx(0.5)
    assert list(story.main.curves) == ["draw 0", "draw 1"]
    assert [(one.name, one.seconds, one.images, one.cost) for one in story.stages] == [
        ("tuning", 3.0, None, None),
        ("sets", 8.0, 60, cost),
    ]
    assert story.main.inspected == {"summary": {"x": 1.0}}
    assert "students/gone" in story.missing[0]
    plain[0]["set"] = "sets/gone"
    story = read_source(write(home / "demo/demo.json", content))
    assert [one.images for one in story.stages] == [None, None]
    assert any("1 of 3 sets are gone, so nothing tells the seconds per image" in one for one in story.missing)
    content["cost"] = {"sets": cost | {"seconds_per_image": 0.1}}
    assert [one.images for one in read_source(write(home / "demo/demo.json", content)).stages] == [None, 80]


@pytest.mark.parametrize(("goal", "best"), [("maximize", "b"), ("minimize", "a")])
def test_the_best_trial_is_the_goals(tmp_path, goal, best):
    trials = [
        of_schedule("a", ["coarse"], 5, 0.5, 0.2),
        of_schedule("b", ["mid"], 5, 0.5, 0.9),
        swept("c", {"generate.model.amplification": None}, None, "failed", "boom"),
        of_schedule("d", [], 0, 0, 0.5),
    ]
    read = read_source(write(tmp_path / "sweep.json", sweep(trials, goal)))
    assert read.best.id == best
    assert read.off.id == "d"
    assert [one.id for one in read.ranked] == (["b", "d", "a", "c"] if goal == "maximize" else ["a", "d", "b", "c"])


def test_the_best_trials_story_lies_beside_the_one_that_is_off(home, sets):
    trials = [of_schedule("off", [], 0, 0, 0.5), of_schedule("made", ["coarse"], 5, 0.5, 0.9)]
    file = write(home / "store/sweep/sweep.json", sweep(trials))
    for name, top1 in (("made", 0.9), ("off", 0.5)):
        write(file.parent / f"trials/{name}/result.json", trial(home / "store", sets[name], [top1]))
    story = best_story(read_source(file))
    assert [(member.kind, member.draws[0].path.name) for member in story.members] == [
        ("amplified", "made"),
        ("plain", "off"),
    ]


def test_a_folder_of_nothing_known_lists_the_kinds(tmp_path):
    with pytest.raises(ValueError, match=r"manifest\.json.*sweep\.json.*result\.json.*compare\.json.*demo\.json"):
        read_source(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        read_source(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "cannot be read"),
        ("[]", "an object was expected"),
        ('{"schema": 7}', "schema 7"),
        ('{"schema": 1}', "damaged"),
    ],
    ids=["no JSON", "a list", "another release", "nothing in it"],
)
def test_damage_is_told_with_the_file(text, told):
    Path("result.json").write_text(text)
    with pytest.raises(ValueError, match=f"result.json.*{told}"):
        read_source(Path("result.json"))


def test_a_sweep_without_results_is_read(tmp_path):
    content = json.loads(json.dumps(sweep([swept("a", {"x": 1}, None, "waiting")], metric=None)))
    read = read_source(write(tmp_path / "sweep.json", content))
    assert read.best is None
    assert best_story(read) is None
