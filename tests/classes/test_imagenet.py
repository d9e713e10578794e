from pathlib import Path

import pytest

from hieramp_lit.classes import CIFAR, ClassEntry, ClassList, imagenet, load_classes

WOOF = [
    "n02096294",
    "n02093754",
    "n02111889",
    "n02088364",
    "n02086240",
    "n02089973",
    "n02087394",
    "n02115641",
    "n02099601",
    "n02105641",
]


def test_the_thousand_classes_stand_in_the_order_of_their_ids_each_on_its_row() -> None:
    classes = load_classes("imagenet")
    wnids = [entry.wnid for entry in classes.entries]
    assert len(set(wnids)) == 1000
    assert wnids == sorted(wnids)
    assert classes.rows == list(range(1000)) == [entry.imagenet_index for entry in classes.entries]
    assert classes.entries[207] == ClassEntry(207, 207, "n02099601", "golden retriever", 207)


@pytest.mark.parametrize(("name", "size"), [("imagewoof", 10), ("imagenette", 10), ("imagenet100", 100)])
def test_subsets_keep_their_order_and_their_rows_of_the_thousand(name: str, size: int) -> None:
    subset, whole = load_classes(name), load_classes("imagenet")
    assert [entry.cls for entry in subset.entries] == list(range(size))
    for entry in subset.entries:
        assert entry[1:] == whole.entries[entry.row][1:]


def test_imagewoof_stands_in_the_order_of_the_papers_and_not_of_the_ids() -> None:
    wnids = [entry.wnid for entry in load_classes("imagewoof").entries]
    assert wnids == WOOF != sorted(WOOF)


def test_a_class_may_be_named_in_any_way_in_a_list_or_a_file(tmp_path: Path) -> None:
    expected = [(207, "n02099601"), (208, "n02099712"), (0, "n01440764"), (4, "n01494475")]
    listed = load_classes(["n02099601", 208, "Tinca tinca", "HAMMERHEAD"])
    assert [(entry.row, entry.wnid) for entry in listed.entries] == expected
    (tmp_path / "mine.txt").write_text("n02099601  # the best\n\n208\nTinca tinca\nHammerhead\n")
    assert load_classes(str(tmp_path / "mine.txt")) == listed
    listed.write(tmp_path / "classes.json")
    assert ClassList.read(tmp_path / "classes.json") == listed


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (["n99999999", "golden retriever"], r"classes: \['n99999999'\] is no class of ImageNet-1K.*n02099601"),
        ([1000, -1], r"classes: \[1000, -1\] are no class"),
        (["crane"], r"several classes have the name: \{'crane': \['n02012849', 'n03126707'\]\}.*WordNet id"),
        ([207, "golden retriever"], r"classes: \['n02099601'\] come twice"),
        ([], r"classes: the list is empty"),
    ],
)
def test_what_is_no_class_is_refused(members: list[str | int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_classes(members)


def test_a_file_without_classes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.txt").write_text("# nothing\n")
    with pytest.raises(ValueError, match=r"none\.txt names no class"):
        load_classes(str(tmp_path / "none.txt"))


def test_an_unknown_list_is_answered_with_those_that_ship() -> None:
    with pytest.raises(ValueError, match="digits, cifar10, cifar100, imagenet, imagenet100, imagenette, imagewoof"):
        load_classes("imagemeow")
    assert {path.stem for path in (Path(imagenet.__file__).parent / "lists").iterdir()} == {
        *imagenet.SUBSETS,
        *CIFAR,
    }


def test_the_lists_that_papers_disagree_about_name_their_source() -> None:
    folder = Path(imagenet.__file__).parent / "lists"
    for name, source in (("imagenet100", "CMC"), ("imagewoof", "class_woof.txt")):
        text = (folder / f"{name}.txt").read_text()
        assert text.startswith("#")
        assert source in text
        assert not any("#" in member for member in imagenet.read_list(name))
