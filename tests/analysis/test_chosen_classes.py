"""Classes by WordNet id, name or number."""

import pytest

from hieramp_lit.analysis.chosen_classes import chosen_classes
from tests.analysis.synthetic import class_list

CLASSES = class_list(5, {1: "4", 3: "crane", 2: "crane"})


def test_words_mean_wnids_names_and_then_numbers():
    assert chosen_classes(CLASSES, ["n00000003", "class 0", "2", "0"]) == [3, 0, 2]
    assert chosen_classes(CLASSES, ["4"]) == [1]  # a name goes before a number


@pytest.mark.parametrize("word", ["5", "-1", "zebra", "crane", "²"])
def test_others_are_refused(word):
    why = "2 classes have the name" if word == "crane" else "the set has no such class"
    with pytest.raises(ValueError, match=rf"--classes {word}: {why}\. Give WordNet ids, names or numbers"):
        chosen_classes(CLASSES, [word])
