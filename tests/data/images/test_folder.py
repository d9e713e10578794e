import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hieramp_lit.classes import ClassEntry, ClassList
from hieramp_lit.data.images.folder import ImageFolderDataModule, list_images
from hieramp_lit.data.images.reading import UnreadableImageError
from hieramp_lit.data.loading import SampleKey


def fill(root, counts, size=(20, 16)):
    """One folder per class; each image has one colour, which no other image has."""
    rng = np.random.default_rng(0)
    for name, count in counts.items():
        (root / name / "deeper").mkdir(parents=True)
        for i in range(count):
            folder = root / name / "deeper" if i % 2 else root / name
            Image.new("RGB", size, tuple(rng.integers(10, 256, 3).tolist())).save(folder / f"{i}.png")
    return str(root)


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "train", {"dog": 12, "cat": 8})


def module(train, **arguments):
    data = ImageFolderDataModule(train, **{"image_size": 8, "batch_size": 4, "num_workers": 0, **arguments})
    data.setup("fit")
    return data


def collect(loader):
    batches = list(loader)
    return torch.cat([batch.image for batch in batches]), torch.cat([batch.label for batch in batches])


def test_a_share_of_each_class_is_held_out(folder):
    data = module(folder, val_fraction=0.25)
    train, val = data.train_samples(), data.val_samples()
    assert [sorted(f.label for f in s.source.files) for s in (train, val)] == [[0] * 6 + [1] * 9, [0] * 2 + [1] * 3]
    assert not {file.path for file in train.source.files} & {file.path for file in val.source.files}


def test_classes_too_small_to_hold_out_of_are_named(tmp_path, caplog):
    train = fill(tmp_path / "train", {"dog": 30, "cat": 2})
    with caplog.at_level("INFO"):
        data = module(train, val_fraction=0.1)
    assert "data.val_fraction=0.1 holds out no image of 1 of the 2 classes: ['cat']" in caplog.text
    assert set(data.val_samples().source.labels.tolist()) == {1}


def test_a_validation_folder_takes_the_training_folders_classes(folder, tmp_path):
    val = fill(tmp_path / "val", {"dog": 2, "cat": 1})
    data = module(folder, val=val)
    assert len(data.train_samples()) == 20
    images, labels = collect(data.val_dataloader())
    assert labels.tolist() == [0, 1, 1]
    assert images.shape == (3, 3, 8, 8)
    assert images.dtype == torch.uint8


@pytest.mark.parametrize("stage", ["fit", "validate", "test"])
def test_a_validation_folder_without_some_of_the_classes_is_refused(folder, tmp_path, stage):
    val = fill(tmp_path / "val", {"dog": 2})
    data = ImageFolderDataModule(folder, val, image_size=8, num_workers=0)
    with pytest.raises(ValueError, match=r"data\.val: .* no folder for 1 of the 2 classes: \['cat'\]"):
        data.setup(stage)


def test_batches_do_not_depend_on_workers(folder):
    images, labels = collect(module(folder).train_dataloader())
    same_images, same_labels = collect(module(folder, num_workers=2).train_dataloader())
    assert torch.equal(images, same_images)
    assert torch.equal(labels, same_labels)


def test_labels_are_class_rows_or_the_sets_own_numbers(folder, tmp_path):
    entries = (
        ClassEntry(0, 207, None, "dog", 207),
        ClassEntry(1, 281, None, "cat", 281),
    )
    ClassList(entries).write(tmp_path / "classes.json")
    classes = str(tmp_path / "classes.json")
    rows, numbers = (
        module(folder, classes=classes, label=label).train_samples().source.files for label in ("row", "cls")
    )
    assert {(file.path.relative_to(folder).parts[0], file.label) for file in rows} == {("dog", 207), ("cat", 281)}
    assert {(file.path.relative_to(folder).parts[0], file.label) for file in numbers} == {("dog", 0), ("cat", 1)}


def test_folders_are_found_by_wordnet_id_too(tmp_path):
    train = fill(tmp_path / "train", {"n02102040": 4})
    ClassList((ClassEntry(0, 217, "n02102040", "English springer", 217),)).write(tmp_path / "classes.json")
    files = module(train, classes=str(tmp_path / "classes.json")).train_samples().source.files
    assert {file.label for file in files} == {217}


@pytest.fixture
def partly_damaged(folder):
    names = [Path(folder) / "dog" / "text.png", Path(folder) / "cat" / "cut.jpg"]
    names[0].write_text("hello")
    Image.effect_noise((64, 64), 90).save(names[1])
    names[1].write_bytes(names[1].read_bytes()[:-800])
    return folder, names


def test_unreadable_files_stop_the_run_by_name_and_number(partly_damaged):
    folder, names = partly_damaged
    with pytest.raises(UnreadableImageError, match="2 of 22 images cannot be read") as error:
        module(folder)
    assert all(str(name) in str(error.value) for name in names)
    assert "data.unreadable: skip" in str(error.value)


def test_unreadable_files_are_left_out_with_a_warning(partly_damaged):
    folder, names = partly_damaged
    with pytest.warns(UserWarning, match="2 of 22 images cannot be read") as caught:
        data = module(folder, unreadable="skip")
    text = "".join(str(warning.message) for warning in caught)
    assert all(str(name) in text for name in names)
    kept = [file.path for samples in (data.train_samples(), data.val_samples()) for file in samples.source.files]
    assert len(kept) == 20
    assert not set(kept) & set(names)
    images, _ = collect(data.train_dataloader())
    assert (images.flatten(1).amax(dim=1) > 0).all()  # no black image in silence


def test_without_the_check_an_unreadable_file_stops_the_run_when_its_turn_comes(partly_damaged):
    folder, _ = partly_damaged
    data = module(folder, check=False, batch_size=1)
    with pytest.raises(UnreadableImageError, match=r"data\.unreadable: skip"):
        list(data.train_dataloader()), list(data.val_dataloader())


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_unreadable_image_met_in_training_gives_way_to_one_of_its_class(partly_damaged, num_workers):
    folder, names = partly_damaged
    data = module(folder, unreadable="skip", check=False, batch_size=6, num_workers=num_workers, label="cls", seed=2)
    loader = data.train_dataloader()
    with pytest.warns(UserWarning, match=r"2 images met in epoch 0 cannot be read\. Others took their place") as caught:
        images, labels = collect(loader)
    (text,) = [str(warning.message) for warning in caught]
    assert all(str(name) in text for name in names)
    assert len(labels) == 18 == len(loader) * 6
    colours = {tuple(image.flatten(1).amax(dim=1).tolist()): label for image, label in zip(images, labels, strict=True)}
    for path in Path(folder).rglob("*.png"):
        if path not in names:
            colour = Image.open(path).getpixel((0, 0))
            assert colours.get(colour, int("dog" in path.parts)) == int("dog" in path.parts)
    with pytest.warns(UserWarning, match="met in epoch 0"):
        same, _ = collect(module(folder, unreadable="skip", check=False, batch_size=6, seed=2).train_dataloader())
    assert torch.equal(images, same)


def test_ranks_name_the_unreadable_images_that_they_met(partly_damaged):
    folder, names = partly_damaged
    data = module(folder, unreadable="skip", check=False, batch_size=3)
    met = set()
    for rank in (0, 1):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            list(data.training_loader(rank, 2, accumulation=1))
        for warning in caught:
            assert f"1 images met in epoch 0 on rank {rank} of 2" in str(warning.message)
            met |= {name for name in names if str(name) in str(warning.message)}
    assert met == set(names)


def test_unreadable_validation_images_are_left_out(partly_damaged, tmp_path):
    folder, _ = partly_damaged
    train = fill(tmp_path / "whole", {"dog": 4, "cat": 4})
    for batch_size in (1, 4, 22):
        data = module(train, val=folder, unreadable="skip", check=False, batch_size=batch_size)
        with pytest.warns(UserWarning, match=r"2 images met in evaluation cannot be read\. They are left out"):
            _, labels = collect(data.val_dataloader())
        assert labels.tolist() == [0] * 8 + [1] * 12


def test_validation_without_a_readable_image_is_an_error(tmp_path):
    train = fill(tmp_path / "train", {"dog": 8, "cat": 2})
    for name in ("dog", "cat"):
        (Path(fill(tmp_path / "val", {name: 1})) / name / "0.png").write_text("no image")
    data = module(train, val=str(tmp_path / "val"), unreadable="skip", check=False)
    with pytest.warns(UserWarning, match="2 images met"), pytest.raises(RuntimeError, match="No validation image"):
        list(data.val_dataloader())


def test_samples_without_a_loader_that_tells_stop_at_an_unreadable_image(partly_damaged):
    folder, names = partly_damaged
    data = module(folder, unreadable="skip", check=False)
    samples = data.train_samples()
    (place, *_) = (i for i in range(len(samples)) if samples.source.name(i) in map(str, names))
    loaded = samples.load([SampleKey(0, place)])
    assert len(loaded.batch.label) == len(loaded.faults) == 1
    with pytest.raises(UnreadableImageError, match=r"(text|cut)\.\w+: "):
        samples[[SampleKey(0, place)]]


def test_a_class_without_a_readable_image_stops_the_run(tmp_path):
    train = fill(tmp_path / "train", {"dog": 8, "cat": 2})
    for path in (tmp_path / "train" / "cat").rglob("*.png"):
        path.write_text("no image")
    data = module(train, val=train, unreadable="skip", check=False, batch_size=10)
    with pytest.raises(UnreadableImageError, match=r"20 images drawn among those with label 0 .*(0|1)\.png"):
        list(data.train_dataloader())


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_class_that_the_check_would_leave_empty_is_named(tmp_path, part):
    roots = {name: fill(tmp_path / name, {"dog": 4, "cat": 2}) for name in ("train", "val")}
    damaged = sorted((tmp_path / part / "cat").rglob("*.png"))
    for path in damaged:
        path.write_text("no image")
    with pytest.raises(UnreadableImageError, match=r"2 of 6 (.|\n)*left of 1 of the 2 classes: \['cat'\]") as error:
        module(**roots, unreadable="skip")
    assert all(str(path) in str(error.value) for path in damaged)


def test_nothing_readable_is_an_error_in_any_case(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_text("no image")
    with pytest.raises(UnreadableImageError, match="Nothing is left"):
        module(str(tmp_path), unreadable="skip")


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"val_fraction": 0}, "val_fraction"),
        ({"label": "wnid"}, "label"),
        ({"unreadable": "ignore"}, "unreadable"),
        ({"short_side": "big"}, "short_side"),
        ({"short_side": 7}, "short_side"),
        ({"train": "no/such/folder"}, r"data\.train"),
    ],
)
def test_impossible_settings_name_the_key(folder, wrong, key):
    with pytest.raises(ValueError, match=key):
        ImageFolderDataModule(**{"train": folder, "image_size": 8, **wrong})


def test_a_folder_in_no_class_and_an_empty_one_are_named(folder, tmp_path):
    ClassList((ClassEntry(0, 0, None, "dog", None),)).write(tmp_path / "classes.json")
    with pytest.raises(ValueError, match=r"in no class of the class list: \['cat'\]"):
        module(folder, classes=str(tmp_path / "classes.json"))
    (tmp_path / "train" / "ox").mkdir()
    with pytest.raises(ValueError, match=r"ox holds no images"):
        module(folder)


def test_files_of_unknown_kinds_are_counted_and_named_once(folder):
    strange = [Path(folder) / "cat" / "deeper" / "a.heic", *(Path(folder) / "dog" / f"{i:02}.avif" for i in range(23))]
    linked, loose = Path(folder) / "dog" / "linked", Path(folder) / "loose.PNG"
    linked.symlink_to(Path(folder) / "cat", target_is_directory=True)
    loose.touch()
    for path in [*strange, Path(folder) / "dog" / "0.json", Path(folder) / "cat" / ".DS_Store"]:
        path.touch()
    said = r"data\.train: .* has 26 files or linked folders that are left out, beside 20 images"
    strange = [loose, *strange, linked]
    with pytest.warns(UserWarning, match=said) as caught:
        data = module(folder)
    (text,) = [str(warning.message) for warning in caught]
    assert [str(path) in text for path in strange] == [True] * 20 + [False] * 6
    assert "… and 6 more" in text
    assert "0.json" not in text
    assert len(data.train_samples()) + len(data.val_samples()) == 20


def test_a_class_of_unknown_kinds_alone_is_an_error_that_names_them(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.heic").touch()
    with pytest.raises(ValueError, match=r"cat holds no images, but 1 files .*:\n.*a\.heic\nKnown kinds: \.bmp"):
        module(str(tmp_path))


def test_evaluation_is_bilinear_and_tuning_lanczos(folder):
    assert module(folder, short_side="evaluation").val_samples().transform.filter == "bilinear"
    assert module(folder).train_samples().transform.filter == "lanczos"


def test_a_folder_that_could_be_two_classes_is_refused(folder, tmp_path):
    entries = (
        ClassEntry(0, 134, "n02012849", "cat", 134),
        ClassEntry(1, 517, "n03126707", "cat", 517),
        ClassEntry(2, 3, None, "dog", None),
    )
    (tmp_path / "images").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / "images" / name / "0.png")
    with pytest.raises(ValueError, match=r"root: .*\['cat'\].*several classes"):
        list_images(tmp_path / "images", ClassList(entries), "row")


IMAGENET = ["n01440764", "n02086240", "n02087394", "n02102040"]  # tench, two woofs, English springer


def test_folders_of_imagenets_classes_take_their_rows(tmp_path):
    train = fill(tmp_path / "train", dict.fromkeys(IMAGENET, 2))
    rows = [0, 155, 159, 217]
    for arguments, labels in (({}, rows), ({"class_rows": "own"}, range(4)), ({"label": "cls"}, range(4))):
        data = module(train, val=train, **arguments)
        assert data.classes.names == ["tench", "Shih-Tzu", "Rhodesian ridgeback", "English springer"]
        found = {f.path.relative_to(train).parts[0]: f.label for f in data.train_samples().source.files}
        assert found == dict(zip(IMAGENET, labels, strict=True))


def test_a_class_list_takes_its_folders_out_of_a_tree_of_imagenet(tmp_path, caplog):
    train = fill(tmp_path / "train", dict.fromkeys([*IMAGENET, "n02115641"], 2))
    chosen = ["n02115641", "n02086240"]
    with caplog.at_level("INFO"):
        data = module(train, val=train, classes=chosen)
    assert "data.train: 2 of 5 folders of" in caplog.text
    assert "3 of other classes of ImageNet are left out: n01440764, n02087394, n02102040" in caplog.text
    assert {f.label for f in data.train_samples().source.files} == {273, 155}
    assert module(train, val=train, classes=chosen, class_rows="own").classes.rows == [0, 1]


def test_sub_folders_are_chosen_by_name_and_keep_their_rows_among_all(tmp_path, caplog):
    train = fill(tmp_path / "train", {"mushroom": 2, "orange": 2, "zebra": 2})
    val = fill(tmp_path / "val", {"zebra": 1, "orange": 1})
    with caplog.at_level("INFO"):
        data = module(val, val=val, classes=["zebra"])
    assert "data.val: 1 of 2 folders of" in caplog.text
    assert "are taken; 1 of other classes are left out: orange" in caplog.text
    assert data.classes.entries == (ClassEntry(0, 1, None, "zebra", None),)
    data = module(train, val=val, classes=["zebra", "orange"])
    assert data.classes.rows == [2, 1]
    assert {f.path.relative_to(train).parts[0]: f.label for f in data.train_samples().source.files} == {
        "zebra": 2,
        "orange": 1,
    }
    with pytest.raises(ValueError, match=r"\['cat'\] are no classes of the data"):
        module(train, classes=["zebra", "cat"])


def test_folders_that_are_no_class_at_all_are_still_an_error(tmp_path):
    train = fill(tmp_path / "train", dict.fromkeys([*IMAGENET, "n02086241"], 2))
    ClassList.of_names(IMAGENET[:2]).write(tmp_path / "classes.json")
    with pytest.raises(ValueError, match=r"in no class of the class list: \['n02086241'\]"):
        module(train, classes=str(tmp_path / "classes.json"))
    assert len(module(train, val=train, classes=IMAGENET[:2]).val_samples()) == 4  # chosen one by one
    with pytest.raises(ValueError, match="has 4 folders that are in no class of the class list"):
        module(fill(tmp_path / "others", dict.fromkeys(IMAGENET, 2)), classes=["n01443537"])


def test_a_class_without_a_folder_is_an_error_that_names_it(tmp_path):
    train = fill(tmp_path / "train", dict.fromkeys(IMAGENET, 2))
    with pytest.raises(ValueError, match=r"no folder for 1 of the 3 classes: \['n02115641'\].*data\.classes"):
        module(train, classes=[*IMAGENET[:2], "n02115641"])


def test_validation_alone_does_not_read_the_training_images(folder, tmp_path):
    val = fill(tmp_path / "val", {"dog": 2, "cat": 1})
    (Path(folder) / "dog" / "0.png").write_text("no image")
    data = ImageFolderDataModule(folder, val=val, image_size=8, num_workers=0)
    data.setup("validate")
    assert len(data.val_samples()) == 3
    with pytest.raises(UnreadableImageError, match=r"0\.png"):
        data.setup("fit")
