import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR10

from hieramp_lit.classes import load_classes
from hieramp_lit.data import CIFARDataModule
from tests.data.image_sets import write_cifar


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    return tmp_path / "cifar", write_cifar(tmp_path / "cifar", monkeypatch)


def module(root, stage="fit", **arguments):
    data = CIFARDataModule(str(root), **{"image_size": 32, "short_side": "evaluation", "batch_size": 10, **arguments})
    data.prepare_data()
    data.setup(stage)
    return data


def collect(loader):
    batches = list(loader)
    return torch.cat([batch.image for batch in batches]), torch.cat([batch.label for batch in batches])


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_images_and_labels_are_those_of_the_files(tmp_path, monkeypatch, name):
    made = write_cifar(tmp_path, monkeypatch, name)
    data = module(tmp_path, dataset=name)
    images, labels = collect(data.val_dataloader())
    assert np.array_equal(images.permute(0, 2, 3, 1).numpy(), made["test"][0])
    assert labels.tolist() == made["test"][1]
    train = data.train_samples().source
    assert np.array_equal(train.images, made["train"][0])
    assert train.labels.tolist() == made["train"][1]
    assert data.classes == load_classes(name)


def test_images_are_enlarged_as_var_crops(cifar10):
    root, made = cifar10
    data = module(root, image_size=64, short_side="var")
    first = data.val_dataloader().__iter__().__next__().image[0].permute(1, 2, 0).numpy()
    enlarged = Image.fromarray(made["test"][0][0]).resize((72, 72), Image.Resampling.LANCZOS).crop((4, 4, 68, 68))
    assert np.array_equal(first, np.asarray(enlarged))
    bicubic = module(root, image_size=64, short_side="var", filter="bicubic").val_samples()
    assert bicubic.transform.filter == "bicubic"


def test_padding_moves_training_images_over_black_and_leaves_validation_images(cifar10):
    root, _ = cifar10
    padded, plain = module(root, padding=4), module(root)
    images, _ = collect(padded.train_dataloader())
    rows = (images == 0).all(dim=1).all(dim=2)  # whole black rows
    assert 0 < rows.sum(dim=1).max() <= 4
    assert torch.equal(collect(padded.val_dataloader())[0], collect(plain.val_dataloader())[0])
    assert "padding" in padded.train_samples().identity()["crop"]
    assert "padding" not in plain.train_samples().identity()["crop"]


def test_a_split_of_the_training_images_leaves_the_test_images_unseen(cifar10):
    root, made = cifar10
    data = module(root, validation="train_split")
    kept, out = data.train_samples().source, data.val_samples().source
    assert (len(kept), len(out)) == (90, 10)
    assert sorted(out.labels.tolist()) == list(range(10))
    together = {image.tobytes() for image in np.concatenate([kept.images, out.images])}
    assert together == {image.tobytes() for image in made["train"][0]}
    again = module(root, validation="train_split", seed=1).val_samples().source
    assert np.array_equal(out.images, again.images)
    assert np.array_equal(module(root, "test", validation="train_split").test_samples().source.images, made["test"][0])


def test_a_class_list_gives_rows_order_and_choice(cifar10, tmp_path):
    root, made = cifar10
    entries = [{"cls": 0, "row": 1003, "name": "frog"}, {"cls": 1, "row": 1001, "name": "cat"}]
    (tmp_path / "classes.json").write_text(json.dumps(entries))
    for arguments, numbers in (({}, (1003, 1001)), ({"label": "cls"}, (0, 1)), ({"class_rows": "own"}, (0, 1))):
        source = module(root, classes=str(tmp_path / "classes.json"), **arguments).val_samples().source
        cat, frog = 3, 6
        assert source.labels.tolist() == [
            {frog: numbers[0], cat: numbers[1]}[label] for label in made["test"][1] if label in (cat, frog)
        ]
    with pytest.raises(ValueError, match=r"\['tench'.* are no classes of cifar10"):
        module(root, classes="imagenette")


@pytest.mark.parametrize("form", ["list", "file"])
def test_classes_are_named_by_the_published_names(cifar10, tmp_path, form):
    root, made = cifar10
    (tmp_path / "mine.txt").write_text("ship\ncat\n")
    classes = str(tmp_path / "mine.txt") if form == "file" else ["ship", "cat"]
    wanted = {"row": {8: 8, 3: 3}, "cls": {8: 0, 3: 1}}
    for label, number_of in wanted.items():
        source = module(root, classes=classes, label=label).val_samples().source
        assert source.labels.tolist() == [number_of[one] for one in made["test"][1] if one in number_of]
    with pytest.raises(ValueError, match=r"\['orange'\] are no classes of cifar10"):
        module(root, classes=["orange"])


def test_files_that_are_not_the_published_ones_are_never_unpickled(cifar10):
    root, _ = cifar10
    file = root / "cifar-10-batches-py" / "data_batch_3"
    # a pickle that would touch a file when opened
    file.write_bytes(b"cposix\nsystem\n(S'touch opened'\ntR.")
    with pytest.raises(ValueError, match=r"data\.root: data_batch_3 in .* not as published"):
        module(root)
    assert not (root.parent / "opened").exists()


def test_missing_files_are_named_with_a_remedy(cifar10):
    root, _ = cifar10
    (root / "cifar-10-batches-py" / "test_batch").unlink()
    with pytest.raises(ValueError, match=r"lacks test_batch\. Unpack cifar-10-python\.tar\.gz .*data\.download: true"):
        module(root)


def test_an_archive_in_place_is_unpacked_and_not_fetched(cifar10, monkeypatch):
    root, made = cifar10
    archive = shutil.make_archive(str(root / "cifar-10-python"), "gztar", root, "cifar-10-batches-py")
    shutil.rmtree(root / "cifar-10-batches-py")
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(Path(archive).read_bytes()).hexdigest())
    data = module(root, download=True)
    assert len(data.val_samples()) == len(made["test"][1])


def test_impossible_settings_name_the_key(tmp_path):
    for wrong in ({"dataset": "cifar"}, {"validation": "none"}, {"padding": -1}, {"filter": "box"}, {"label": "wnid"}):
        (key,) = wrong
        with pytest.raises(ValueError, match=rf"data\.{key}"):
            CIFARDataModule(str(tmp_path), **wrong)
