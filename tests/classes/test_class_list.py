import json

import pytest

from hieramp_lit.classes import ClassEntry, ClassList, class_folders, load_classes


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


def folders(root, *names):
    for name in names:
        (root / name).mkdir()
    return str(root)


def test_folders_become_classes_in_sorted_order_and_hidden_ones_do_not(tmp_path):
    (tmp_path / "a file").touch()
    classes = load_classes(folders(tmp_path, "tench", "a cat", ".cache"))
    assert classes.entries == (ClassEntry(0, 0, None, "a cat", None), ClassEntry(1, 1, None, "tench", None))
    assert class_folders(tmp_path) == ["a cat", "tench"]


def test_folders_of_imagenet_take_their_rows_of_the_thousand(tmp_path):
    tree = folders(tmp_path, "n02102040", "n01440764")
    listed = ClassList(
        (ClassEntry(0, 0, "n01440764", "tench", 0), ClassEntry(1, 217, "n02102040", "English springer", 217))
    )
    assert load_classes(tree) == listed == ClassList.from_folder(tree)
    own = load_classes(tree, "own")
    assert own == ClassList.from_folder(tree, rows="own") == listed.own_rows()
    assert own.rows == [0, 1]
    assert [entry[2:] for entry in own.entries] == [entry[2:] for entry in listed.entries]


def test_classes_beside_those_of_imagenet_take_new_rows_behind_the_thousand(tmp_path):
    tree = folders(tmp_path, "a cat", "n00000001", "n02102040", "zebra")
    assert load_classes(tree).entries == (
        ClassEntry(0, 1000, None, "a cat", None),
        ClassEntry(1, 1001, "n00000001", "n00000001", None),
        ClassEntry(2, 217, "n02102040", "English springer", 217),
        ClassEntry(3, 1002, None, "zebra", None),
    )
    assert load_classes(tree, "own").rows == [0, 1, 2, 3]


def test_folders_named_by_ids_of_which_imagenet_knows_none_take_own_rows(tmp_path):
    classes = load_classes(folders(tmp_path, "n00000001", "n00000002"))
    assert classes.rows == [0, 1]
    assert [entry.wnid for entry in classes.entries] == classes.names == ["n00000001", "n00000002"]


def test_own_rows_count_any_list_anew(tmp_path):
    assert load_classes("imagewoof").rows[:2] == [193, 182]
    assert load_classes("imagewoof", "own").rows == list(range(10))
    assert load_classes([207, 0], "own").entries == (
        ClassEntry(0, 0, "n02099601", "golden retriever", 207),
        ClassEntry(1, 1, "n01440764", "tench", 0),
    )
    ClassList((ClassEntry(0, 7, None, "a", None), ClassEntry(1, 3, None, "b", None))).write(tmp_path / "classes.json")
    assert load_classes(str(tmp_path / "classes.json")).rows == [7, 3]
    assert load_classes(str(tmp_path / "classes.json"), "own").rows == [0, 1]
    with pytest.raises(ValueError, match="class_rows='mine': expected 'imagenet' or 'own'"):
        load_classes("digits", "mine")


@pytest.mark.parametrize(
    ("name", "size", "some"),
    [
        ("cifar10", 10, {0: "airplane", 1: "automobile", 9: "truck"}),
        ("cifar100", 100, {0: "apple", 1: "aquarium_fish", 39: "keyboard", 52: "oak_tree", 99: "worm"}),
    ],
)
@pytest.mark.parametrize("rows", ["imagenet", "own"])
def test_cifar_has_its_published_order_and_rows_of_its_own(name, size, some, rows):
    classes = load_classes(name, rows)
    assert classes.rows == list(range(size))
    assert {i: classes.names[i] for i in some} == some
    assert len(set(classes.names)) == size
    assert {(entry.wnid, entry.imagenet_index) for entry in classes.entries} == {(None, None)}


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
    with pytest.raises(ValueError, match=r"digits, cifar10, cifar100, imagenet, .* a classes\.json, or a folder"):
        load_classes(str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="has no sub-folders"):
        load_classes(str(tmp_path))
    (tmp_path / "classes.json").write_text("not json")
    with pytest.raises(ValueError, match="is not JSON"):
        load_classes(str(tmp_path / "classes.json"))


class TestWordsOfTheDatasOwn:
    def test_they_go_before_imagenets_and_keep_their_rows(self, tmp_path):
        (tmp_path / "mine.txt").write_text("orange  # ImageNet's row 950\nmushroom\n")
        for spec in (["orange", "mushroom"], str(tmp_path / "mine.txt")):
            chosen = load_classes(spec, own=lambda: load_classes("cifar100"))
            assert chosen.entries == (
                ClassEntry(0, 53, None, "orange", None),
                ClassEntry(1, 51, None, "mushroom", None),
            )
            assert load_classes(spec, "own", lambda: load_classes("cifar100")).rows == [0, 1]
            assert load_classes(spec).rows == [950, 947]

    def test_other_words_are_imagenets(self, tmp_path):
        tree = folders(tmp_path, "a cat", "n02102040", "n02099601")

        def own():
            return ClassList.from_folder(tree)

        chosen = load_classes(["golden retriever", 217, "a cat"], own=own)
        assert chosen.rows == [207, 217, 1000]
        assert chosen == load_classes(["n02099601", "n02102040", "a cat"], own=own)
        assert load_classes(["Tinca tinca"], own=own) == load_classes([0])
        with pytest.raises(ValueError, match=r"\['golden retriever'\] come twice"):
            load_classes([207, "n02099601"], own=own)

    def test_a_number_may_be_a_folder(self, tmp_path):
        tree = folders(tmp_path, "3", "7")
        assert load_classes([7, "3"], own=lambda: ClassList.from_folder(tree)).rows == [1, 0]

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["cat", "goldfish"], r"\['goldfish'\] are no classes of the data, though others are\. .*own are \['airpl"),
            (["wolf dog"], r"\['wolf dog'\] is no class of ImageNet-1K.*The data's own are \['airplane', .* …"),
            (["cat", "cat"], r"\['cat'\] come twice"),
        ],
    )
    def test_what_is_neither_is_refused(self, words, message):
        with pytest.raises(ValueError, match=message):
            load_classes(words, own=lambda: load_classes("cifar10"))


@pytest.mark.parametrize("own", [None, lambda: load_classes("cifar10")])
@pytest.mark.parametrize("word", [True, False, 1.0, None])
def test_what_yaml_takes_for_no_word_is_refused(word, own):
    with pytest.raises(ValueError, match=rf"classes: \[{word}\]: expected text or whole numbers.*in quotes"):
        load_classes([word], own=own)
