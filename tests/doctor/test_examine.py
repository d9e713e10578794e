"""Configurations as `hieramp doctor` examines them, on data as it lies on a disk."""

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from hieramp_lit.checkpoints import read_tensors, resolve, save
from hieramp_lit.cli import main
from hieramp_lit.data.images.digits import load_digits_split
from tests.configs.inputs import write_own_images
from tests.data.image_sets import damage, write_cifar, write_tiny_imagenet
from tests.doctor.reports import PERMUTED, config, doctor, found, status, tiny, write_permuted_teacher

EACH = 8


@pytest.fixture
def sorted_digits() -> list[str]:
    """The digits in folders, eight of each class, as the images that judge the shipped teacher's student."""
    images, labels = load_digits_split("test")
    for label in range(10):
        folder = Path("images") / str(label)
        folder.mkdir(parents=True)
        for index, image in enumerate(images[labels == label][:EACH]):
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"{index}.png")
    judges = {"train": "images", "val": "images", "image_size": "32", "short_side": "32", "label": "cls"}
    given = [f"--data.validation.init_args.{key}={value}" for key, value in judges.items()]
    return [*config("configs/student/digits.yaml"), "--data.validation=ImageFolderDataModule", *given]


def test_a_teacher_is_tried_on_every_class_where_the_first_images_are_of_a_few(sorted_digits, tmp_path):
    permuted = f"--model.teacher.checkpoint={write_permuted_teacher(tmp_path / 'teacher.safetensors')}"
    report = doctor("teacher", *sorted_digits, permuted, "--images", "40", code=1)
    order = found(report, "class order")["facts"]
    assert (order["rows"], order["images"], order["undecided"]) == (PERMUTED, 40, [])
    mended = doctor("teacher", *sorted_digits, permuted, f"--model.teacher.rows={PERMUTED}", "--images", "40")
    assert found(mended, "class order")["status"] == "ok"


@pytest.mark.filterwarnings("ignore:data.val_fraction")  # of the data module, which a report does not hold
def test_no_rows_are_named_where_a_class_has_no_image(sorted_digits):
    held_out = [given for given in sorted_digits if not given.endswith(".val=images")]  # eight images of ten classes
    report = doctor("teacher", *held_out, code=1)
    (finding,) = report["findings"]
    assert (finding["status"], "none of 2 of the 10 classes: " in finding["text"]) == ("error", True)
    assert "rows" not in str(report)


def test_a_teacher_that_answers_with_no_numbers_is_an_error(tmp_path):
    tensors = read_tensors(resolve("asset://digits/teacher.safetensors"))
    name = next(name for name, tensor in tensors.items() if tensor.ndim == 4)
    tensors[name].view(-1)[0] = torch.nan
    save(tmp_path / "teacher.safetensors", tensors)
    damaged = [*config("configs/student/digits.yaml"), f"--model.teacher.checkpoint={tmp_path / 'teacher.safetensors'}"]
    assert "not finite" in doctor("teacher", *damaged, code=1)["findings"][0]["text"]
    looked = found(doctor(*damaged, code=1), "teacher")
    assert (looked["status"], looked["facts"]["not_finite"]) == ("error", [name])


@pytest.mark.parametrize("name", ["folder", "cifar10", "tiny_imagenet"])
def test_a_student_is_judged_by_validation_images_alone(name: str, monkeypatch):
    if name == "folder":
        write_own_images(Path("images"))
    elif name == "cifar10":
        write_cifar(Path("datasets/cifar"), monkeypatch)
    else:
        write_tiny_imagenet(Path("datasets/tiny-imagenet-200"))
    report = doctor(*config(f"configs/student/{name}.yaml"), code=1)
    data = found(report, "data")
    assert (data["status"], data["facts"]["val"]) == ("ok", {"folder": 20, "cifar10": 20, "tiny_imagenet": 6}[name])
    assert "train" not in data["facts"]
    assert status(report)["set"] == "error"  # there is none yet


def test_a_students_set_and_its_judges_are_looked_at_without_each_other():
    main(["predict", *config("configs/generate/digits_real.yaml"), "--trainer.enable_progress_bar=false"])
    given = [*config("configs/student/digits.yaml"), "--data.path=sets/digits_real"]
    report = doctor(*given)
    assert (status(report)["data"], status(report)["set"]) == ("ok", "ok")
    for judges, key in (("CIFARDataModule", "root"), ("ImageFolderDataModule", "train")):  # one is refused when built
        report = doctor(*given, f"--data.validation={judges}", f"--data.validation.{key}=nowhere", code=1)
        assert (status(report)["data"], status(report)["set"]) == ("error", "ok")
    report = doctor(*given, "--data.validation=null", code=1)
    assert "data.validation is null" in found(report, "data")["text"]
    write_tiny_imagenet(Path("tiny"))
    report = doctor(*given, "--data.validation=TinyImageNetDataModule", "--data.validation.root=tiny", code=1)
    assert (status(report)["data"], "no images of 10" in found(report, "classes")["text"]) == ("ok", True)


def test_a_students_images_are_not_all_decoded():
    root = write_own_images(Path("images"))
    damage(root / "val" / "3" / "0.png")
    assert status(doctor(*config("configs/student/folder.yaml"), code=1))["data"] == "ok"


@pytest.mark.parametrize("network", ["VAR", "tokenizer"])
def test_damaged_weights_are_an_error_with_a_name(network: str, tiny_tokenizer, tiny_var, tmp_path):
    tensors = read_tensors(tiny_var if network == "VAR" else tiny_tokenizer)
    name = "head.weight" if network == "VAR" else "decoder.conv_out.weight"
    tensors[name].view(-1)[0] = torch.nan
    save(tmp_path / "damaged.safetensors", tensors)
    weights = {"VAR": tiny_var, "tokenizer": tiny_tokenizer} | {network: tmp_path / "damaged.safetensors"}
    arguments = tiny("token_tuning", weights["tokenizer"], "--model.checkpoint", str(weights["VAR"]))
    report = doctor(*arguments, code=1)
    assert found(report, network)["facts"]["not_finite"] == [name]
    assert status(report)["tokenizer and VAR" if network == "VAR" else "reconstruction"] == "error"


def test_memory_says_why_it_is_not_estimated(tiny_tokenizer, tiny_var):
    report = doctor(*tiny("token_tuning", Path("none.pth"), "--model.checkpoint", "null"), code=1)
    memory = found(report, "memory")
    assert memory["status"] == "warning"
    assert "not estimated, because" in memory["text"]
    assert "could not be used: model.tokenizer.checkpoint" in memory["text"]
    files = ["--model.checkpoint", "none.pth", "--model.output", "sets/one"]
    memory = found(doctor(*tiny("generate", tiny_tokenizer, *files), code=1), "memory")
    assert memory["text"].endswith("model.tokenizer.checkpoint and model.checkpoint")


def test_real_images_are_counted_and_read_before_a_set_is_made_of_them():
    arguments = config("configs/generate/digits_real.yaml")
    report = doctor(*arguments)
    assert (found(report, "images")["status"], found(report, "images")["facts"]["images"]) == ("ok", 1347)
    assert "not estimated, because" in found(report, "memory")["text"]
    short = found(doctor(*arguments, "--data.images_per_class=133", code=1), "images")
    assert short["status"] == "error"
    assert "(row 8) has 13" in short["text"]


def test_real_images_that_are_nowhere_or_broken_or_of_other_classes_are_an_error():
    arguments = [*config("configs/generate/folder_real.yaml"), "--data.images_per_class=2"]
    root = "--model.generator.init_args.data.init_args.root"
    images = write_own_images(Path("images")) / "train"
    assert status(doctor(*arguments))["images"] == "ok"
    report = doctor(*arguments, f"{root}=nowhere", code=1)
    assert (status(report)["data"], "nowhere" in found(report, "images")["text"]) == ("ok", True)
    shutil.copytree(images, "others")
    Path("others/9").rename("others/nine")
    report = doctor(*arguments, f"{root}=others", code=1)
    assert "disagree" in found(report, "images")["text"]
    damage(images / "3" / "0.png")
    report = doctor(*arguments, "--images", "20", code=1)
    assert "3/0.png" in found(report, "images")["text"]
