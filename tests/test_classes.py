import json

import pytest

from hieramp_lit.classes import ClassEntry, ClassList, load_classes


def test_the_digits_are_ten_classes_whose_rows_are_the_digits():
    classes = load_classes("digits")
    assert classes.rows == list(range(10))
    assert classes.names == [str(i) for i in range(10)]
    assert {entry.wnid for entry in classes.entries} == {None}


def test_a_list_survives_the_file(tmp_path):
    classes = ClassList(
        (ClassEntry(0, 217, "n02102040", "English springer", 217), ClassEntry(1, 0, None, "tench", None))
    )
    classes.write(tmp_path / "classes.json")
    assert ClassList.read(tmp_path / "classes.json") == classes
    assert load_classes(str(tmp_path / "classes.json")) == classes


def test_folders_become_classes_in_sorted_order_and_hidden_ones_do_not(tmp_path):
    for name in ("n02102040", "a cat", ".cache"):
        (tmp_path / name).mkdir()
    (tmp_path / "a file").touch()
    classes = load_classes(str(tmp_path))
    assert [(e.cls, e.row, e.name, e.wnid) for e in classes.entries] == [
        (0, 0, "a cat", None),
        (1, 1, "n02102040", "n02102040"),
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "empty"),
        ([{"cls": 1, "row": 0, "name": "a"}], "must count 0, 1, 2"),
        ([{"cls": 0, "row": 3, "name": "a"}, {"cls": 1, "row": 3, "name": "b"}], r"used twice: \[3\]"),
        ([{"cls": 0, "row": -1, "name": "a"}], "≥ 0"),
        ([{"cls": 0, "row": "0", "name": "a"}], r"another type: \['row'\]"),
        ([{"cls": 0, "row": 0, "name": "a", "colour": "red"}], r"unknown: \['colour'\]"),
        ([["a"]], "entry 0 is a list"),
        ({"a": 0}, "holds a dict"),
    ],
)
def test_lists_that_would_mislabel_are_refused(tmp_path, values, message):
    path = tmp_path / "classes.json"
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=message):
        ClassList.read(path)


def test_errors_say_what_is_allowed(tmp_path):
    with pytest.raises(ValueError, match=r"digits, imagenet, .* a classes\.json, or a folder"):
        load_classes(str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="has no sub-folders"):
        load_classes(str(tmp_path))
    (tmp_path / "classes.json").write_text("not json")
    with pytest.raises(ValueError, match="is not JSON"):
        load_classes(str(tmp_path / "classes.json"))
