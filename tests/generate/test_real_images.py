import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hieramp_lit.data import CIFARDataModule, GenerationPlan
from hieramp_lit.data.images.reading import UnreadableImageError
from hieramp_lit.generate import CIFARImages, FolderImages, RandomReal, RealImages, TinyImageNetImages, WebDatasetImages
from tests.data.image_sets import TINY_WNIDS, write_cifar, write_tiny_imagenet
from tests.data.web.web_sets import write_shards


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of flat images, class k, image n in colour (k, n, 7), of different sizes."""
    for k, name in enumerate(["cat", "dog"]):
        (tmp_path / name).mkdir()
        for n in range(4):
            Image.new("RGB", (20 + n, 12), (k, n, 7)).save(tmp_path / name / f"{n}.png")
    return tmp_path


def test_folder_gives_squares_of_the_class(folder: Path) -> None:
    data = FolderImages(str(folder), image_size=8)
    assert data.rows().tolist() == [0] * 4 + [1] * 4
    images = RandomReal(data).generate(torch.tensor([1, 0, 1, 1, 1]), torch.tensor([0, 0, 1, 2, 3]), 0).images
    assert (images.dtype, images.shape) == (torch.uint8, (5, 8, 8, 3))
    assert images[:, 0, 0, 0].tolist() == [1, 0, 1, 1, 1]
    assert sorted(images[[0, 2, 3, 4], 0, 0, 1].tolist()) == [0, 1, 2, 3]


def test_folder_rows_come_from_the_class_list(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    classes = tmp_path_factory.mktemp("classes") / "classes.json"
    classes.write_text('[{"cls": 0, "row": 207, "name": "dog"}, {"cls": 1, "row": 3, "name": "cat"}]')
    assert FolderImages(str(folder), 8, str(classes)).rows().tolist() == [3] * 4 + [207] * 4


def test_folder_takes_the_centre(folder: Path) -> None:
    stripes = np.zeros((10, 30, 3), np.uint8)
    stripes[:, 10:20] = 200
    Image.fromarray(stripes).save(folder / "cat" / "0.png")
    assert FolderImages(str(folder), image_size=10).pixels([0]).unique().tolist() == [200]


def test_folder_identity_has_no_path_and_follows_the_files(folder: Path) -> None:
    before = FolderImages(str(folder), 8).identity()
    assert str(folder) not in str(before)
    assert before == FolderImages(str(folder), 8).identity()
    assert before != FolderImages(str(folder), 16).identity()
    (folder / "dog" / "4.png").write_bytes((folder / "dog" / "0.png").read_bytes())
    assert before != FolderImages(str(folder), 8).identity()


def test_images_have_names_to_be_found_by(folder: Path) -> None:
    data = FolderImages(str(folder), 8)
    assert [data.image_name(place) for place in (0, 5)] == ["cat/0.png", "dog/1.png"]


def test_folder_names_a_file_that_cannot_be_read(folder: Path) -> None:
    (folder / "cat" / "2.png").write_bytes(b"no picture")
    with pytest.raises(UnreadableImageError, match=r"2\.png"):
        FolderImages(str(folder), 8).pixels([2])


def test_folders_of_imagenet_have_its_rows_and_a_list_takes_some(tmp_path: Path) -> None:
    for wnid in ("n01440764", "n02086240", "n02102040"):
        (tmp_path / wnid).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / wnid / "0.png")
    assert FolderImages(str(tmp_path), 8).rows().tolist() == [0, 155, 217]
    assert FolderImages(str(tmp_path), 8, class_rows="own").rows().tolist() == [0, 1, 2]
    assert FolderImages(str(tmp_path), 8, ["n02102040", "n01440764"]).rows().tolist() == [0, 217]


@pytest.mark.parametrize("split", ["train", "fit"])
def test_cifar_gives_training_images_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str) -> None:
    pixels, labels = write_cifar(tmp_path, monkeypatch)["train"]
    data = CIFARImages(str(tmp_path), split=split)
    images = RandomReal(data).generate(torch.tensor([3] * 9), torch.arange(9), seed=0).images
    of_class = {image.tobytes() for image, label in zip(pixels, labels, strict=True) if label == 3}
    assert len({image.tobytes() for image in images.numpy()} & of_class) == 9
    if split == "fit":  # what settings are chosen on is no part
        module = CIFARDataModule(str(tmp_path), image_size=32, short_side="evaluation", validation="train_split")
        module.setup("fit")
        held_out = {image.tobytes() for image in module.val_samples().source.images}
        assert not held_out & {image.tobytes() for image in data.pixels(range(90)).numpy()}
    else:
        assert data.rows().tolist() == labels


def test_chosen_classes_have_the_rows_of_the_whole_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path / "cifar", monkeypatch)
    for name in ("orange", "shoe", "zebra"):
        (tmp_path / "own" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "own" / name / "0.png")
    own = FolderImages(str(tmp_path / "own"), 8, ["orange", "zebra"])
    cifar = CIFARImages(str(tmp_path / "cifar"), classes=["cat", "ship"])
    for data, whole, words in ((own, str(tmp_path / "own"), ["orange", "zebra"]), (cifar, "cifar10", ["cat", "ship"])):
        RandomReal(data).check_classes(GenerationPlan(whole, images_per_class=1, class_subset=words).classes)
    assert sorted(own.rows().tolist()) == [0, 2]
    assert set(cifar.rows().tolist()) == {3, 8}


def test_tiny_imagenet_gives_training_images_with_imagenets_rows(tmp_path: Path) -> None:
    data = TinyImageNetImages(str(write_tiny_imagenet(tmp_path / "tiny")), class_rows="imagenet")
    images = RandomReal(data).generate(torch.tensor([758, 1]), torch.tensor([0, 5]), seed=0).images
    assert images.shape == (2, 64, 64, 3)
    assert [round(int(image[0, 0, 0]) / 40) for image in images] == [1, 2]
    assert images[..., 2].max() < 50  # none of validation
    plan = GenerationPlan(str(tmp_path / "tiny" / "wnids.txt"))
    assert [entry.wnid for entry in plan.classes.entries] == TINY_WNIDS
    RandomReal(data).check_classes(plan.classes)


def test_shards_give_images_of_the_plans_classes(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "shards", classes=3)
    (tmp_path / "c.json").write_text(json.dumps([{"cls": i, "row": 7 - i, "name": "abc"[i]} for i in range(3)]))
    data = WebDatasetImages(shards, str(tmp_path / "c.json"), image_size=8)
    assert data.rows().tolist() == [7 - n % 3 for n in range(24)]
    images = RandomReal(data).generate(torch.tensor([6] * 8), torch.arange(8), seed=1).images
    assert sorted(int(image[0, 0, 1]) for image in images) == [1, 4, 7, 10, 13, 16, 19, 22]
    RandomReal(data).check_classes(GenerationPlan(str(tmp_path / "c.json")).classes)
    own = WebDatasetImages(shards, str(tmp_path / "c.json"), class_rows="own")
    assert own.rows().tolist() == [n % 3 for n in range(24)]
    with pytest.raises(ValueError, match=r"model\.generator\.data\.shards: https.* shards of this machine"):
        WebDatasetImages("https://example.org/a.tar", "imagenette")


def test_identities_have_no_path_and_tell_data_sets_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path / "cifar", monkeypatch)
    write_tiny_imagenet(tmp_path / "tiny")
    shards = write_shards(tmp_path / "shards")

    def made() -> list[RealImages]:
        return [
            CIFARImages(str(tmp_path / "cifar")),
            CIFARImages(str(tmp_path / "cifar"), split="fit"),
            CIFARImages(str(tmp_path / "cifar"), image_size=16),
            TinyImageNetImages(str(tmp_path / "tiny")),
            TinyImageNetImages(str(tmp_path / "tiny"), class_rows="own"),
            WebDatasetImages(shards, "digits"),
        ]

    first, second = ([json.dumps(data.identity()) for data in made()] for _ in range(2))
    assert first == second
    assert len(set(first)) == 6
    assert str(tmp_path) not in "".join(first)


def test_impossible_words_name_the_key(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.generator\.data\.split='test'"):
        CIFARImages(str(tmp_path), split="test")
    with pytest.raises(ValueError, match=r"model\.generator\.data\.root: .*wnids\.txt is missing"):
        TinyImageNetImages(str(tmp_path))
