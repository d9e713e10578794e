"""Sections of a set alone: pictures, tokens, saliency, failures, what was made from what."""

import math
from functools import cache

import numpy as np
import pytest

from hieramp_lit.analysis import analyze_tokens, changes, token_maps
from hieramp_lit.report.content.failures import failures
from hieramp_lit.report.content.making import making
from hieramp_lit.report.content.pictures import pictures
from hieramp_lit.report.content.quality import quality
from hieramp_lit.report.content.read_sweep import read_sweep
from hieramp_lit.report.content.reading import set_member
from hieramp_lit.report.content.saliency import saliency_section
from hieramp_lit.report.content.story import Member, Story
from hieramp_lit.report.content.sweep_tokens import sweep_tokens
from hieramp_lit.report.content.token_counts import TokenCounts
from hieramp_lit.report.content.tokens import tokens_section
from hieramp_lit.report.page import Commands, Facts, Figure, Note, Picture, Table
from hieramp_lit.shards import ShardSet
from tests.analysis.synthetic import write_set
from tests.report.content.made import OFF, SIDES, cell, made_set, of_schedule, sweep, trial, write


@pytest.fixture
def sets(home):
    return {name: ShardSet.open(home / "store" / name) for name in ("made", "off")}


@pytest.fixture
def story(sets):
    return Story("made", "shard set", sets["made"].path, (set_member(sets["made"]), set_member(sets["off"])))


@pytest.fixture(scope="module")
def counts():
    return TokenCounts(1000)


def alone(story):
    return Story(story.name, story.what, story.path, story.members[:1])


def blocks_of(section, kind):
    return [block for block in section.blocks if isinstance(block, kind)]


@cache
def analysis(path):
    shards = ShardSet.open(path)
    return analyze_tokens(shards, token_maps(shards.manifest.configuration, None, None))


def test_equal_seeds_lie_side_by_side(story):
    (sheet,) = blocks_of(pictures(story, "s-"), Picture)
    assert (sheet.id, sheet.title) == ("s-contact-sheet", "Contact sheet: amplified and plain")
    assert sheet.numbers["images"] == 2
    assert "same class, index and seed" in sheet.caption
    pixels = np.asarray(sheet.image)
    assert (pixels[:, :, 0] == 16 * 9).any()  # the grey of the last class: no class is left out


def test_other_seeds_are_shown_apart_and_a_plain_set_is_missed(tmp_path, sets, story):
    other = made_set(tmp_path / "other", OFF, seed=5)
    members = (story.main, Member("plain", "plain", (other,)))
    found = blocks_of(pictures(Story("a", "b", tmp_path, members), ""), Picture)
    assert [sheet.id for sheet in found] == ["contact-sheet", "contact-sheet-2"]
    (note,) = blocks_of(pictures(alone(story), ""), Note)
    assert (note.kind, "--against" in note.text) == ("missing", True)


def test_token_statistics_are_those_of_the_analysis(story, sets, counts):
    section = tokens_section(story, "", counts)
    figures = {figure.id: figure for figure in blocks_of(section, Figure)}
    statistics = figures["token-statistics"].numbers["sets"]
    assert statistics["amplified"] == analysis(sets["made"].path).per_scale()
    assert statistics["plain"] == analysis(sets["off"].path).per_scale()
    expected = changes(analysis(sets["made"].path), analysis(sets["off"].path))
    for measure in ("entropy", "coverage"):
        figure = figures[f"{measure}-changes"]
        panels, _ = figure.draw.args  # what is drawn
        assert [panel.title for panel in panels] == ["coarse", "mid", "fine"]
        for panel, row, (stage, change) in zip(
            panels, figure.numbers["rows"], expected.stages[measure].items(), strict=True
        ):
            counted = (change.rise, change.stay, change.fall)
            assert panel.bars == [("amplified", *counted)]
            assert (row["stage"], row["set"], row["rise"], row["stay"], row["fall"]) == (stage, "amplified", *counted)
            assert [row["share_rise"], row["share_stay"], row["share_fall"]] == [count / 10 for count in counted]
    assert figures["entropy-changes"].numbers["rows"][1]["share_stay"] == 1  # only coarse tokens were changed
    assert figures["coverage-changes"].numbers["rows"][0]["fall"] > 0
    assert all(figure.draw() is not None for figure in figures.values())


def test_distinct_codes_of_evenly_spread_classes(story, sets, counts):
    figures = {figure.id: figure for figure in blocks_of(tokens_section(story, "", counts), Figure)}
    assert {"distinct-codes-0000", "distinct-codes-0005"} <= set(figures)
    tokens = [sample.tokens for sample in sets["made"].take([10, 11])]  # class 5, two images
    found = np.array(figures["distinct-codes-0005"].numbers["counts"]["amplified"][3])
    expected = [len({int(one[9 + place]) for one in tokens}) for place in range(9)]
    assert found.flatten().tolist() == expected
    assert figures["distinct-codes-0005"].numbers["means"]["amplified"][3] == pytest.approx(sum(expected) / 9)


def test_tokens_beyond_the_limit_are_named(story):
    section = tokens_section(story, "", TokenCounts(most_images=25))
    (note,) = [note for note in blocks_of(section, Note) if "--token-images" in note.text]
    assert "hieramp analyze" in note.text
    assert "store/off" in note.text


def test_maps_of_both_sets_and_their_entropy(story):
    section = saliency_section(story, "")
    (strips,), (entropy,) = blocks_of(section, Picture), blocks_of(section, Figure)
    assert strips.numbers["images"] == ["r00000_00000", "r00003_00000", "r00006_00000"]
    even = [math.log(side * side) for side in SIDES]  # maps are even: the highest entropy
    assert entropy.numbers["amplified"]["entropy"] == pytest.approx(even, abs=1e-3)
    assert entropy.numbers["plain"]["entropy_share"][1:] == pytest.approx([1.0] * 3, abs=1e-3)
    assert entropy.numbers["plain"]["entropy_share"][0] is None
    assert len(entropy.numbers["plain"]["images"]) == 10
    assert entropy.draw() is not None


def test_without_maps_the_command_is_named(tmp_path):
    without = made_set(tmp_path / "set", save_saliency=False)
    (note,) = saliency_section(Story("a", "b", tmp_path, (set_member(without),)), "").blocks
    assert "--model.save_saliency true" in note.text


INSPECTED = {
    "summary": {"teacher_top1@net": 0.9},
    "per_class": [{"name": "0", "teacher_confidence@net": 0.75}, {"name": "1", "teacher_confidence@net": 0.25}],
    "lowest_confidence": {
        "net": [
            {"image": "r00007_00001", "cls": 7, "confidence": 0.125, "taken_for": 2, "taken_with": 0.5},
            {"image": "r00003_00000", "cls": 3, "confidence": 0.25, "taken_for": 3, "taken_with": 0.25},
        ]
    },
}


def inspected(story, found):
    return Story("a", "b", story.path, (Member("amplified", "amplified", story.main.draws, inspected=found),))


def test_the_least_believed_images_are_shown_with_what_they_are_taken_for(story):
    section = failures(inspected(story, INSPECTED), "")
    (sheet,), (table,) = blocks_of(section, Picture), blocks_of(section, Table)
    assert sheet.numbers["images"] == INSPECTED["lowest_confidence"]["net"]
    assert list(table.rows[0]) == ["r00007_00001", "7", 12.5, "2", 50.0]
    assert sheet.alt.startswith("Of these 2 images 1 are taken for another class; the worst, r00007_00001 of 7, for 2")
    of_grey = [int((np.asarray(sheet.image) == 16 * cls).all(axis=2).sum()) for cls in range(10)]
    assert [cls for cls, pixels in enumerate(of_grey) if pixels >= 64 * 64] == [3, 7]  # text has greys too, but few
    assert section.lead == "net recognizes 90.0 % of the images."


def test_a_set_without_tokens_names_what_encodes_it(tmp_path):
    shards = write_set(tmp_path / "bare", lambda cls, index: None, configuration={}, generator="another")
    assert f"`hieramp analyze {shards.path} --tokenizer TOKENIZER` encodes its images" in TokenCounts(100).of(shards)


def test_what_an_inspection_measured_but_for_tokens(story):
    found = {"summary": {"fid@net": 2.5, "token_entropy/mid": 1.0}, "reference": {"images": 7}, "comparable": "Rarely.",
             "not_measured": {"kid@net": "too few", "prdc@net": "too few", "token_coverage/fine": "x"}}  # fmt: skip
    section = quality(inspected(story, found), "")
    (table,), (note,) = blocks_of(section, Table), blocks_of(section, Note)
    assert ([list(row) for row in table.rows], table.caption) == ([["fid", "net", 2.5]], "Rarely.")
    assert note.text == "Not measured: kid, prdc: too few."
    assert section.lead == "Beside 7 real images."
    assert quality(alone(story), "") is None


def test_an_older_inspection_tells_its_classes_and_none_its_command(story):
    section = failures(inspected(story, {**INSPECTED, "lowest_confidence": {}}), "")
    (table,) = blocks_of(section, Table)
    assert [list(row) for row in table.rows] == [["1", 25.0], ["0", 75.0]]
    (note,) = failures(alone(story), "").blocks
    assert "hieramp inspect" in note.text


def test_what_was_made_from_what(story, sets):
    made = Story("a", "trial", story.path, (Member("x", "amplified", (sets["made"],), cell(sets["made"], [0.5])),),
                 commands=("hieramp predict",), missing=("The set y is gone.",))  # fmt: skip
    section = making(made, "")
    facts = dict(row for block in blocks_of(section, Facts) for row in block.rows)
    assert facts["VAR, sha256"] == "a" * 64
    assert facts["tokenizer, sha256"] == "b" * 64
    assert (facts["images per class (IPC)"], facts["generate.seed"], facts["student seeds"]) == ("2", "0", "0")
    assert facts["schedule"] == "coarse, β 5, ρ 50 %, blocks [0]" or facts["schedule"].startswith("coarse, β 5, ρ 50 %")
    assert "torch" in facts["the set was made with"]
    (figure,) = blocks_of(section, Figure)
    assert figure.numbers == {"beta": [None, 5.0, None, None], "rho": [None, 0.5, None, None],
                              "stages": ["none", "coarse", "mid", "fine"], "sides": list(SIDES)}  # fmt: skip
    assert figure.alt.startswith("Amplified: scale 1 (coarse): β 5 on 50 %.")
    assert blocks_of(section, Commands)[0].lines == ("hieramp predict",)
    assert [note.text for note in blocks_of(section, Note)] == ["The set y is gone."]


def test_a_set_alone_is_made_again_by_its_manifest(story):
    (commands,) = blocks_of(making(alone(story), ""), Commands)
    assert "--data.images_per_class 2 --data.seed 0" in commands.lines[0]
    assert "--model.amplification.beta '[0.0, 5.0, 0.0, 0.0]'" in commands.lines[0]
    assert "--model.amplification.scales '[1]'" in commands.lines[0]


def test_amplified_trials_of_a_sweep_beside_the_one_that_is_off(home, sets, counts):
    trials = [of_schedule("off", [], 0, 0, 0.5), of_schedule("all", ["coarse", "mid", "fine"], 5, 0.5, 0.9),
              of_schedule("made", ["coarse"], 5, 0.5, 0.9)]  # fmt: skip
    file = write(home / "store/fig3/sweep.json", sweep(trials))
    for name in ("made", "off"):
        write(file.parent / f"trials/{name}/result.json", trial(home / "store", sets[name], [0.5]))
    blocks = sweep_tokens(read_sweep(sweep(trials), file), "", counts).blocks
    expected = changes(analysis(sets["made"].path), analysis(sets["off"].path))
    entropy, coverage, note = blocks
    for measure, figure in (("entropy", entropy), ("coverage", coverage)):
        told = [(row["set"], row["stage"], row["rise"], row["stay"], row["fall"]) for row in figure.numbers["rows"]]
        assert told == [
            ("coarse, β 5, ρ 50 %", stage, change.rise, change.stay, change.fall)
            for stage, change in expected.stages[measure].items()
        ]
    assert note.kind == "missing"
    assert "all stages, β 5, ρ 50 % (all): the set is gone" in note.text
    alone, _ = sweep_tokens(read_sweep(sweep(trials[1:]), file), "", counts).blocks
    assert (alone.kind, "nothing amplified" in alone.text) == ("missing", True)
