"""What the rows of a label embedding stand for: read back as recorded, ImageNet's by custom, else nothing."""

import pytest

from hieramp_lit.checkpoints import save
from hieramp_lit.classes import ClassEntry, ClassList, load_classes
from hieramp_lit.var import KnownClasses, VARArchitecture, class_record, known_classes, recorded_classes

SIZES = {"patch_nums": (1, 2), "vocab_size": 8, "z_channels": 4, "depth": 1, "embed_dim": 16, "num_heads": 2}
OWN = ClassList.of_names([str(number) for number in range(10)])
MIXED = ClassList.of_names(["n01440764", "beetle", "n01443537", "spoon"])  # rows 0, 1000, 1, 1001


def written(tmp_path, num_classes: int, record: dict[str, str], suffix: str = "safetensors") -> str:
    path = tmp_path / f"var.{suffix}"
    save(path, VARArchitecture(**SIZES, num_classes=num_classes).build().state_dict(), record)
    return str(path)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("classes", [OWN, MIXED])
def test_a_recorded_list_is_read_again(tmp_path, suffix, classes):
    path = written(tmp_path, 3, class_record(classes), suffix)
    assert known_classes(path, key="k") == KnownClasses(classes, source=f"k='{path}'")


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_without_a_record_1000_classes_are_imagenets_and_others_unknown(tmp_path, suffix):
    known = known_classes(written(tmp_path, 1000, {}, suffix))
    assert (known.classes, known.recorded) == (load_classes("imagenet"), False)
    assert known_classes(written(tmp_path, 999, {}, suffix)).classes is None
    assert known_classes(written(tmp_path, 3, {}), num_classes=1000).classes is not None


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1]", '[{"cls": 0}]', "[" * 10**5])
def test_a_damaged_record_is_refused(tmp_path, text):
    with pytest.raises(ValueError, match=r"model\.checkpoint='.*var\.safetensors': its list of classes is damaged"):
        known_classes(written(tmp_path, 3, {"class_list": text}), key="model.checkpoint")


def test_rows_keep_their_classes_beside_those_tuned_later():
    known = KnownClasses(load_classes("imagenet"), recorded=False).and_then(MIXED)
    assert known.rows == list(range(1002))
    assert known.names[1000:] == ["beetle", "spoon"]
    assert [entry._replace(cls=0) for entry in known.entries[:1000]] == [
        entry._replace(cls=0) for entry in load_classes("imagenet").entries
    ]
    assert KnownClasses().and_then(MIXED).rows == [0, 1, 1000, 1001]
    assert recorded_classes(class_record(known), source="here") == known


@pytest.mark.parametrize("known", [KnownClasses(OWN), KnownClasses(OWN.own_rows())])
def test_a_class_list_that_has_moved_on_the_rows_is_refused(known):
    known.check_plan(OWN)
    known.check_start(OWN)
    without_0 = ClassList.of_names(OWN.names[1:])
    message = r"row 0 is '1' in .*, '0' in the weights"
    with pytest.raises(ValueError, match=message + r".*data\.class_subset"):
        known.check_plan(without_0)
    with pytest.raises(ValueError, match=message + r".*`model\.label_rows: new` and `model\.var\.num_classes: 9`"):
        known.check_start(without_0)


def test_a_folder_added_beside_imagenets_shifts_no_row_in_silence():
    known = KnownClasses(MIXED)
    known.check_plan(MIXED)
    added = ClassList.of_names(["ant", "n01440764", "beetle"])
    with pytest.raises(ValueError, match=r"row 1000 is 'ant' in data\.classes, 'beetle' in the weights"):
        known.check_plan(added)
    known.check_plan(ClassList.of_names(["n01440764", "beetle", "n01443537", "spoon", "tin"]))  # row 1002 is unknown


def test_by_custom_only_imagenets_classes_are_held_to_their_rows():
    published = KnownClasses(load_classes("imagenet"), recorded=False)
    woof = load_classes("imagewoof")
    for plan in (load_classes("imagenet"), woof, OWN, MIXED, ClassList((ClassEntry(0, 5, None, "ray", 5),))):
        published.check_plan(plan)
    with pytest.raises(ValueError, match=rf"row 0 is .*{woof.entries[0].wnid}.* in .*class_rows: imagenet"):
        published.check_plan(woof.own_rows())
    for data in (load_classes("imagenet"), woof, MIXED):
        published.check_start(data)
    for data in (OWN, woof.own_rows()):
        with pytest.raises(ValueError, match=r"1000 classes, so ImageNet's.*num_classes: 10"):
            published.check_start(data)
    KnownClasses().check_plan(OWN)
    KnownClasses().check_start(OWN)
