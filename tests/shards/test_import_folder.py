"""Imported images are those of the folder, in a set like any other that says where it comes from."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hieramp_lit.classes import ClassList, load_classes
from hieramp_lit.shards import ShardError, ShardFile, ShardSet
from hieramp_lit.shards import import_folder as module
from hieramp_lit.shards.import_folder import import_folder
from hieramp_lit.shards.verify import find_faults
from tests.shards.making import contents
from tests.shards.test_verify import flip_byte

NAMES = ("cat", "dog", "eel")


def pixels(seed: int, height: int = 6, width: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three classes of four PNG files each, 0.png … 10.png."""
    for cls, name in enumerate(NAMES):
        (tmp_path / "images" / name).mkdir(parents=True)
        for index, number in enumerate((0, 2, 9, 10)):
            path = tmp_path / "images" / name / f"{number}.png"
            Image.fromarray(pixels(10 * cls + index)).save(path, compress_level=index)  # not the bytes that we write
    return tmp_path / "images"


@pytest.fixture
def classes(root: Path) -> ClassList:
    return ClassList.from_folder(root)


def test_the_set_holds_the_files_byte_for_byte(root: Path, tmp_path: Path, classes: ClassList) -> None:
    made = import_folder(root, tmp_path / "set", classes, generator="rded", shard_size=5, seed=3)
    made.shard_set.verify()
    stored = [fields["png"] for r in made.shard_set.manifest.shards for _, fields in made.shard_set.read(r)]
    assert stored == [(root / name / f"{n}.png").read_bytes() for name in NAMES for n in (0, 2, 9, 10)]
    manifest = made.shard_set.manifest
    assert (manifest.generator, manifest.seed, manifest.images_per_class) == ("rded", 3, 4)
    sample = next(iter(made.shard_set))
    assert sample.info["imported"] == manifest.configuration["imported"]
    assert "weights" not in sample.info


def test_the_same_files_give_the_same_set_wherever_they_lie(root: Path, tmp_path: Path, classes: ClassList) -> None:
    import_folder(root, tmp_path / "a", classes)
    shutil.copytree(root, tmp_path / "moved")
    (tmp_path / "moved" / "cat" / "0.png").rename(tmp_path / "moved" / "cat" / "1.png")
    import_folder(tmp_path / "moved", tmp_path / "b", classes)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    (tmp_path / "moved" / "cat" / "1.png").rename(tmp_path / "moved" / "cat" / "11.png")
    with pytest.raises(ShardError, match=r"--out=.* another configuration:\n  configuration\.imported\.sha256"):
        import_folder(tmp_path / "moved", tmp_path / "b", classes)


def test_other_files_become_png_of_the_same_pixels(root: Path, tmp_path: Path, classes: ClassList) -> None:
    for name, options in (("11.bmp", {}), ("12.webp", {"lossless": True})):
        Image.fromarray(pixels(7)).save(root / "cat" / name, **options)
    Image.fromarray(pixels(7)).convert("P").save(root / "cat" / "13.png")
    made = import_folder(root, tmp_path / "set", one(classes, root))
    assert (made.kept, made.encoded) == (4, 3)
    images = [sample.image for sample in made.shard_set]
    assert all(np.array_equal(image, pixels(7)) for image in (images[4], images[6]))  # shorter names first
    made.shard_set.verify()


def one(classes: ClassList, root: Path) -> ClassList:
    """Only the first class, whose folder alone stays."""
    for name in NAMES[1:]:
        shutil.rmtree(root / name)
    return ClassList(classes.entries[:1])


def test_a_resized_image_is_the_square_in_the_centre(root: Path, tmp_path: Path, classes: ClassList) -> None:
    Image.fromarray(pixels(99, 12, 20)).save(root / "dog" / "0.png")
    with pytest.raises(ShardError, match=r"2 sizes: 6 × 6 \(11\), 20 × 12 \(1\); .*dog/0\.png .*--image_size N"):
        import_folder(root, tmp_path / "set", classes)
    made = import_folder(root, tmp_path / "set", classes, image_size=6)
    assert (made.kept, made.encoded, made.resized) == (11, 1, 1)
    expected = Image.fromarray(pixels(99, 12, 20)).crop((4, 0, 16, 12)).resize((6, 6), Image.Resampling.LANCZOS)
    dog = next(sample for sample in made.shard_set if sample.info["name"] == "dog")
    assert np.array_equal(dog.image, np.asarray(expected))
    made.shard_set.verify()


def test_unequal_classes_are_refused_or_cut(root: Path, tmp_path: Path, classes: ClassList) -> None:
    (root / "dog" / "10.png").unlink()
    with pytest.raises(ShardError, match=r"dog has 3, cat 4.*`--images_per_class 3`"):
        import_folder(root, tmp_path / "set", classes)
    with pytest.raises(ShardError, match=r"1 class\(es\) have fewer images \(dog"):
        import_folder(root, tmp_path / "set", classes, images_per_class=4)
    made = import_folder(root, tmp_path / "set", classes, images_per_class=3)
    assert [sample.image_index for sample in made.shard_set] == [0, 1, 2] * 3
    assert np.array_equal(next(made.shard_set.take([2])).image, pixels(2))


def test_folders_by_number_need_the_whole_list(root: Path, tmp_path: Path, classes: ClassList) -> None:
    for cls, name in enumerate(NAMES):
        (root / name).rename(root / f"{cls:05d}")
    assert import_folder(root, tmp_path / "set", classes).shard_set.classes.names == list(NAMES)
    shutil.rmtree(root / "00001")
    with pytest.raises(ShardError, match=r"no folder of 1 of 3 classes \(dog"):
        import_folder(root, tmp_path / "other", classes)


def test_numbers_count_in_the_list_that_lies_beside_them(root: Path, tmp_path: Path, classes: ClassList) -> None:
    for cls, name in enumerate(NAMES):
        (root / name).rename(root / f"{cls:05d}")
    classes.write(root / "classes.json")
    ids = ("n02123045", "n02106662", "n01440764")
    for other in (ClassList.of_names(ids), ClassList.of_names((*NAMES, "fox"))):
        with pytest.raises(ShardError, match=r"by number, and its classes\.json counts other classes than --classes"):
            import_folder(root, tmp_path / "set", other)
    assert not (tmp_path / "set").exists()
    assert import_folder(root, tmp_path / "set", classes).shard_set.classes == classes
    ClassList.of_names(ids).write(root / "classes.json")
    renamed = ClassList(tuple(e._replace(name=e.name.upper()) for e in ClassList.of_names(ids).entries))
    assert import_folder(root, tmp_path / "renamed", renamed).shard_set.classes == renamed  # the ids are the same


def test_folders_by_name_may_be_of_another_list_than_the_one_beside_them(root: Path, tmp_path: Path) -> None:
    ClassList.of_names(NAMES).write(root / "classes.json")
    made = import_folder(root, tmp_path / "set", ClassList.of_names(("ant", *NAMES)))
    assert made.shard_set.classes.rows == [1, 2, 3]


@pytest.mark.parametrize(("name", "ids"), [("crane", "n02012849 or n03126707"), ("maillot", "n03710637 or n03710721")])
def test_a_name_of_two_classes_is_refused(root: Path, tmp_path: Path, name: str, ids: str) -> None:
    imagenet, one = load_classes("imagenet"), {entry.name: entry for entry in load_classes("imagenet").entries}
    (root / "cat").rename(root / name)
    for old in NAMES[1:]:
        shutil.rmtree(root / old)
    with pytest.raises(ShardError, match=rf"{name}: 2 classes have this name. Name the folder {ids}, the one"):
        import_folder(root, tmp_path / "set", imagenet)
    (root / name).rename(root / ids[:9])
    made = import_folder(root, tmp_path / "set", imagenet).shard_set
    assert [entry.wnid for entry in made.classes.entries] == [ids[:9]]
    assert made.classes.rows != [one[name].row], "the first of the two"


def test_folders_that_are_no_class_are_refused(root: Path, tmp_path: Path, classes: ClassList) -> None:
    (root / "fox").mkdir()
    with pytest.raises(ShardError, match=r"fox is none of the classes.*--classes"):
        import_folder(root, tmp_path / "set", classes)
    (root / "fox").rename(root / "00001")
    with pytest.raises(ShardError, match="is class 'dog', as another folder is"):
        import_folder(root, tmp_path / "set", classes)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_an_unreadable_image_is_named(root: Path, tmp_path: Path, classes: ClassList, content: bytes) -> None:
    (root / "dog" / "2.png").write_bytes(content)
    with pytest.raises(ShardError, match=r"dog/2\.png cannot be read as an image"):
        import_folder(root, tmp_path / "set", classes)
    assert not (tmp_path / "set").exists()


def test_a_bomb_is_refused_before_it_is_decoded(root: Path, tmp_path: Path, classes: ClassList) -> None:
    from hieramp_lit.shards.decode import MOST_PIXELS

    side = int(MOST_PIXELS**0.5) + 1
    Image.new("1", (side, side)).save(root / "dog" / "2.png")
    assert (root / "dog" / "2.png").stat().st_size < 10**5
    with pytest.raises(ShardError, match=rf"dog/2\.png .*{side} × {side} pixels are more than {MOST_PIXELS}"):
        import_folder(root, tmp_path / "set", classes)


def test_files_that_are_no_images_are_named(root: Path, tmp_path: Path, classes: ClassList) -> None:
    (root / "dog" / "labels.txt").write_text("")
    (root / "dog" / ".DS_Store").write_text("")
    with pytest.raises(ShardError, match=r"labels\.txt is no image \(1 such"):
        import_folder(root, tmp_path / "set", classes)


def test_an_interrupted_import_goes_on_and_a_damaged_one_is_mended(
    root: Path, tmp_path: Path, classes: ClassList, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_folder(root, tmp_path / "whole", classes, shard_size=5)

    class Failing(ShardFile):
        def __init__(self, folder: Path, shard: int, identity_hash: str) -> None:
            if shard == 1:
                raise OSError(28, "No space left on device")
            super().__init__(folder, shard, identity_hash)

    with monkeypatch.context() as patch:
        patch.setattr(module, "ShardFile", Failing)
        with pytest.raises(OSError, match="No space"):
            import_folder(root, tmp_path / "set", classes, shard_size=5)
    assert {path.name for path in (tmp_path / "set").glob("*.tar")} == {"train-000000.tar"}
    import_folder(root, tmp_path / "set", classes, shard_size=5)
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")
    flip_byte(tmp_path / "set" / "train-000001.tar")
    faults = list(find_faults(tmp_path / "set"))
    assert all("`hieramp import` again" in fault.remedy for fault in faults)
    (tmp_path / "set" / "train-000001.json").unlink()
    import_folder(root, tmp_path / "set", classes, shard_size=5)
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")


def test_the_card_says_that_it_was_imported(root: Path, tmp_path: Path, classes: ClassList) -> None:
    made = import_folder(root, tmp_path / "set", classes, generator="rded").shard_set
    card = (made.path / "README.md").read_text()
    assert "imported into hieramp_lit" in card
    assert "`rded`" in card
    assert json.loads((made.path / "manifest.json").read_text())["generator"] == "rded"


def test_the_set_is_not_put_into_the_folder(root: Path, classes: ClassList) -> None:
    with pytest.raises(ShardError, match="lies in the folder that is imported"):
        import_folder(root, root / "set", classes)


def test_students_train_on_it(root: Path, tmp_path: Path, classes: ClassList) -> None:
    from hieramp_lit.data.bank.reading import read_bank

    bank = read_bank(import_folder(root, tmp_path / "set", classes).shard_set)
    assert bank.images.shape == (12, 3, 6, 6)
    assert bank.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_digits_by_name_win_over_numbers(tmp_path: Path) -> None:
    for digit in range(10):
        (tmp_path / "images" / str(digit)).mkdir(parents=True)
        Image.fromarray(pixels(digit)).save(tmp_path / "images" / str(digit) / "a.png")
    made = import_folder(tmp_path / "images", tmp_path / "set", load_classes("digits"))
    assert isinstance(made.shard_set, ShardSet)
    assert [int(sample.info["name"]) for sample in made.shard_set] == list(range(10))
