import csv

import pytest

from hieramp_lit.report.content.reading import set_member
from hieramp_lit.report.content.story import Story
from hieramp_lit.report.content.tuning import tuning_section
from hieramp_lit.shards import ShardSet


def metrics(folder, *rows, name="metrics.csv"):
    path = folder / name
    titles = ["epoch", *(f"val/{kind}/{scale:02d}" for kind in ("class_accuracy", "class_accuracy_unconditional")
                         for scale in (0, 1))]  # fmt: skip
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([titles, *rows])
    return path


@pytest.fixture
def story(home, tmp_path):
    def make(*files):
        return Story("a", "trial", tmp_path, (set_member(ShardSet.open(home / "store/made")),), tuning=files)

    return make


def test_the_last_validation_counts(story, tmp_path):
    file = metrics(tmp_path, [0, 0.9, 0.9, 0.1, 0.3], [3, "", "", "", ""], [3, 1.0, 1.0, 0.125, 0.75])
    section = tuning_section(story(file), "")
    (figure,) = section.blocks
    assert figure.numbers == {
        "scales": [
            {"side": 1, "unconditional": 0.125, "labelled": 1.0},
            {"side": 2, "unconditional": 0.75, "labelled": 1.0},
        ],
        "chance": 0.1,
        "after_epoch": 4,
    }
    assert [list(row) for row in figure.table.rows] == [[0, "1×1", 12.5, 100.0], [1, "2×2", 75.0, 100.0]]
    assert "most, 75 %, at 2×2; chance is 10.0 %" in figure.alt
    assert figure.draw() is not None


def test_without_tuning_no_section_and_without_the_numbers_a_reason(story, tmp_path):
    assert tuning_section(story(), "") is None
    other = tmp_path / "other.csv"
    other.write_text("epoch,val/token_loss\n0,1\n")
    (note,) = tuning_section(story(other), "").blocks
    assert (note.kind, "hieramp test" in note.text) == ("missing", True)
