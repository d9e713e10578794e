"""Two class lists agree on a row where index or WordNet id, or else the name, is the same."""

import pytest

from hieramp_lit.classes import ClassEntry, ClassList, disagreements, load_classes, name_disagreements
from hieramp_lit.classes.agreement import same_class

CRANES = [entry for entry in load_classes("imagenet").entries if entry.name == "crane"]


def entry(row: int, name: str, wnid: str | None = None, index: int | None = None) -> ClassEntry:
    return ClassEntry(0, row, wnid, name, index)


def test_one_name_for_two_classes_does_not_make_them_one() -> None:
    bird, machine = CRANES
    assert not same_class(bird, machine)
    assert same_class(bird, entry(0, "crane"))
    assert same_class(bird, entry(0, "another name", wnid=bird.wnid))
    assert same_class(bird, entry(0, "another name", index=bird.imagenet_index))


@pytest.mark.parametrize("order", [1, -1])
def test_rows_of_other_classes_and_unknown_ones_are_found(order: int) -> None:
    known = ClassList.of_names(["a", "b", "c"])
    asked = ClassList.of_names(["a", "c", "c2", "d"][::order])
    found = disagreements(asked, known)
    expected = {1: [(1, "b"), (2, "c"), (3, None)], -1: [(0, "a"), (1, "b"), (3, None)]}[order]
    assert [(pair.asked.row, pair.known and pair.known.name) for pair in found] == expected
    assert disagreements(known, known) == []


def test_words_name_six_rows_and_count_the_others() -> None:
    found = disagreements(ClassList.of_names([f"x{i}" for i in range(9)]), ClassList.of_names(["a"]))
    words = name_disagreements(found, "there", "here")
    assert words.startswith("row 0 is 'x0' there, 'a' here; row 1 is 'x1' there, unknown here; ")
    assert words.endswith("row 5 is 'x5' there, unknown here; and 3 rows more")
    assert "'crane' (n03126707) there" in name_disagreements(
        disagreements(ClassList((CRANES[1]._replace(cls=0),)), ClassList.of_names(["a"])), "there", "here"
    )
