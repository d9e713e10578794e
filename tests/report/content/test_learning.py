import pytest

from hieramp_lit.report.content.learning import learning, per_class_means, read_curve
from hieramp_lit.report.content.story import Member, Story
from hieramp_lit.report.content.students_folder import curves_of
from hieramp_lit.report.page import Figure, Note
from hieramp_lit.shards import ShardSet
from tests.report.content.made import cell, write_metrics

CLASSES = [[1.0, 0.0, *[0.5] * 8], [0.5, 0.25, *[0.5] * 7, None]]


@pytest.fixture
def made(home):
    return ShardSet.open(home / "store/made")


def test_curves_are_in_per_cent_by_epochs_from_one(tmp_path, made):
    for seed, values in enumerate(({0: 0.2, 4: 0.5}, {0: 0.4, 4: 0.7})):
        write_metrics(tmp_path, seed, values, version=seed)
    member = Member("amplified", "amplified", (made,), cell(made, [0.5, 0.7]), curves=curves_of(tmp_path))
    section = learning(Story("one", "students", tmp_path, (member,)), "x-")
    figure = next(block for block in section.blocks if isinstance(block, Figure))
    assert figure.id == "x-curves"
    assert figure.numbers["amplified"] == [
        {"seed": 0, "epochs": [1, 5], "top1": pytest.approx([20, 50])},
        {"seed": 1, "epochs": [1, 5], "top1": pytest.approx([40, 70])},
    ]
    assert figure.alt == "amplified ends at 60.0 %, best 60.0 % after epoch 5."
    assert list(figure.table.rows[1]) == ["amplified", 5, pytest.approx(60), pytest.approx(14.1421, abs=1e-3), 2]
    assert figure.draw() is not None


def test_a_resumed_run_counts_as_it_was_written_last(tmp_path):
    write_metrics(tmp_path, 3, {0: 0.1, 1: 0.2}, version=2)
    write_metrics(tmp_path, 3, {1: 0.25, 2: 0.3}, version=10)
    files = curves_of(tmp_path)["seed 3"]
    assert [file.parent.name for file in files] == ["version_2", "version_10"]
    assert read_curve(files, "val/top1") == {0: 0.1, 1: 0.25, 2: 0.3}


def test_seeds_that_were_not_asked_for_are_left_out(tmp_path):
    write_metrics(tmp_path, 0, {0: 0.1}, version=0)
    write_metrics(tmp_path, 7, {0: 0.1}, version=1)
    assert list(curves_of(tmp_path, [7])) == ["seed 7"]


def test_classes_keep_their_order_and_none_is_no_zero(tmp_path, made):
    member = Member("amplified", "amplified", (made,), cell(made, [0.5, 0.7], CLASSES))
    assert per_class_means(member) == [75.0, 12.5, *[50.0] * 7, 50.0]
    section = learning(Story("one", "students", tmp_path, (member,)), "")
    figure = next(block for block in section.blocks if isinstance(block, Figure))
    assert figure.numbers == {
        "classes": [str(digit) for digit in range(10)],
        "top1": {"amplified": per_class_means(member)},
    }
    assert figure.alt.startswith("amplified: hardest are 1 12.5 %")
    assert [list(row) for row in figure.table.rows][:2] == [[0, "0", 75.0], [1, "1", 12.5]]
    assert figure.draw() is not None


def test_what_is_not_there_is_said(tmp_path, made):
    member = Member("amplified", "amplified", (made,), cell(made, [0.5]))
    texts = [block.text for block in learning(Story("one", "students", tmp_path, (member,)), "").blocks]
    assert any("No curves of: amplified" in text for text in texts)
    assert any("single classes" in text for text in texts)
    assert all(isinstance(block, Note) for block in learning(Story("a", "b", tmp_path, (member,)), "").blocks)


def test_without_students_there_is_no_section(tmp_path, made):
    assert learning(Story("one", "shard set", tmp_path, (Member("amplified", "amplified", (made,)),)), "") is None


def test_a_damaged_file_is_told(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,val/top1\n0,many\n")
    with pytest.raises(ValueError, match=r"metrics\.csv"):
        read_curve([path], "val/top1")
