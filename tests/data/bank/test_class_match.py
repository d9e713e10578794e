import pytest
import torch

from hieramp_lit.classes import ClassEntry, ClassList
from hieramp_lit.data.bank.class_match import NOT_IN_SET, match_classes, relabel
from hieramp_lit.data.batches import ImageBatch


def named(*names, wnids=None):
    wnids = wnids or [None] * len(names)
    return ClassList(tuple(ClassEntry(k, k, w, n, None) for k, (n, w) in enumerate(zip(names, wnids, strict=True))))


def test_equal_lists_keep_their_labels():
    assert match_classes(named("a", "b", "c"), named("a", "b", "c")).tolist() == [0, 1, 2]


def test_another_order_and_a_subset_are_brought_together():
    assert match_classes(named("c", "a"), named("a", "b", "c")).tolist() == [1, NOT_IN_SET, 0]


def test_wordnet_ids_go_before_names():
    ours = named("tench", "goldfish", wnids=["n01440764", "n01443537"])
    theirs = named("Carassius", "Tinca", wnids=["n01443537", "n01440764"])
    assert match_classes(ours, theirs).tolist() == [1, 0]
    with pytest.raises(ValueError, match="name"):
        match_classes(ours, named("Carassius", "Tinca"))


def test_classes_without_images_are_named():
    with pytest.raises(ValueError, match=r"data\.validation has no images of 1 of the set's 2 classes: z"):
        match_classes(named("a", "z"), named("a", "b"))


def test_relabelling_leaves_out_foreign_images():
    batch = ImageBatch(torch.arange(4)[:, None], torch.tensor([0, 1, 2, 1]))
    out = relabel(batch, torch.tensor([1, NOT_IN_SET, 0]))
    assert out.label.tolist() == [1, 0]
    assert out.image[:, 0].tolist() == [0, 2]
