from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from hieramp_lit.classes import load_classes
from hieramp_lit.cli import main
from hieramp_lit.comparison import References
from hieramp_lit.comparison.random_real import stored_pixels
from hieramp_lit.comparison.real_source import derive_images
from hieramp_lit.data import GenerationPlan
from hieramp_lit.shards import ShardSet
from hieramp_lit.tasks import Generation
from tests.comparison.judging import ROOT, InThisProcess
from tests.data.image_sets import write_cifar, write_tiny_imagenet
from tests.data.web.web_sets import write_shards
from tests.shards.making import NoiseGenerator, make_set, quiet_trainer

DIGITS = {"class_path": "hieramp_lit.data.DigitsDataModule", "init_args": {"validation": "test"}}


def noise(folder: Path, classes: str | list[str | int], **plan: Any) -> ShardSet:
    """A set of one image a class, 8 × 8 pixels."""
    task = Generation(NoiseGenerator(), str(folder))
    quiet_trainer().predict(task, GenerationPlan(classes, **{"images_per_class": 1, "seed": 4, **plan}))
    return ShardSet.open(folder)


def folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], dict[str, Any]]:
    for k, name in enumerate(["cat", "dog", "zebra"]):
        for part in ("train", "val"):
            (root / part / name).mkdir(parents=True)
            for n in range(2):
                Image.new("RGB", (20, 12), (k, n, 7)).save(root / part / name / f"{n}.png")
    judges = {"train": str(root / "train"), "val": str(root / "val"), "classes": None, "class_rows": "imagenet"}
    return {"class_path": "ImageFolderDataModule", "init_args": judges}, {"classes": str(root / "train")}


def some_of_a_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], dict[str, Any]]:
    judges, plan = folder(root, monkeypatch)
    return judges, {**plan, "class_subset": ["zebra", "cat"]}


def cifar(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], dict[str, Any]]:
    write_cifar(root, monkeypatch)
    judges = {"root": str(root), "dataset": "cifar10", "validation": "test"}
    return {"class_path": "CIFARDataModule", "init_args": judges}, {"classes": "cifar10"}


def tiny_imagenet(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], dict[str, Any]]:
    write_tiny_imagenet(root)
    plan = {"classes": str(root / "wnids.txt"), "class_rows": "own"}
    return {"class_path": "TinyImageNetDataModule", "init_args": {"root": str(root)}}, plan


def shards(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], dict[str, Any]]:
    write_shards(root / "tar", classes=3)
    names = ["n02124075", "n04067472", "n01443537"]
    judges = {
        "train": str(root / "tar"), "val": str(root / "tar"), "classes": names, "class_rows": "imagenet",
        "label_field": "cls", "label_numbers": "cls", "image_field": None, "index": None,
    }  # fmt: skip
    return {"class_path": "WebDatasetDataModule", "init_args": judges}, {"classes": names}


Source = Callable[[Path, pytest.MonkeyPatch], tuple[dict[str, Any], dict[str, Any]]]


@pytest.mark.parametrize("source", [folder, some_of_a_folder, cifar, tiny_imagenet, shards])
def test_every_kind_of_data_gives_training_images_of_the_sets_plan(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judges, plan = source(tmp_path / "data", monkeypatch)
    distilled, run = noise(tmp_path / "set", **plan), InThisProcess()
    references = References(tmp_path / "real", tmp_path / "cache")
    made = references.make(distilled, judges, run)
    assert made.classes == distilled.classes
    assert [sample.key for sample in made] == [sample.key for sample in distilled]
    assert (made.manifest.generator, made.manifest.seed, stored_pixels(made)) == ("random_real", 4, (8, 8))
    made.verify()

    run.verbs  # noqa: B018 (forgets)
    (config,) = (tmp_path / "real").glob("*.yaml")
    assert references.make(distilled, judges, run).path == made.path
    assert run.verbs == []
    main(["predict", "--config", str(config), "--model.output", str(tmp_path / "again")])
    assert ShardSet.open(tmp_path / "again").manifest.hash == made.manifest.hash


def test_images_are_those_of_the_shipped_configuration(tmp_path: Path) -> None:
    distilled = make_set(tmp_path / "set", NoiseGenerator(), save_size=32, seed=5)
    run = InThisProcess()
    made = References(tmp_path / "real", tmp_path / "cache").make(distilled, DIGITS, run)
    shipped = ROOT / "configs/generate/digits_real.yaml"
    named = References(tmp_path / "real", tmp_path / "cache", shipped).make(distilled, DIGITS, run)
    assert run.verbs == ["predict"] * 2
    assert made.path != named.path
    main(["predict", "--config", str(shipped), "--data.images_per_class=2", "--data.seed=5", "--trainer.logger=false"])
    pixels = [
        [sample.image.tobytes() for sample in images] for images in (made, named, ShardSet.open("sets/digits_real"))
    ]
    assert pixels[0] == pixels[1] == pixels[2]


def test_a_configuration_of_another_generator_is_refused(tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / "configs/generate/digits_rded.yaml").read_text())
    config["model"]["init_args"]["generator"]["init_args"]["candidates"] = 4
    (tmp_path / "rded.yaml").write_text(yaml.safe_dump(config))
    references = References(tmp_path / "real", tmp_path / "cache", tmp_path / "rded.yaml")
    with pytest.raises(ValueError, match=r"--real CONFIG: .*rded\.yaml makes a set of the generator 'rded'"):
        references.make(make_set(tmp_path / "set", images_per_class=1), DIGITS, InThisProcess())


def test_images_that_are_no_squares_have_no_reference(tmp_path: Path) -> None:
    (tmp_path / "flat/cat").mkdir(parents=True)
    Image.new("RGB", (20, 12)).save(tmp_path / "flat/cat/0.png")
    main(["import", str(tmp_path / "flat"), "--out", str(tmp_path / "set")])
    flat = ShardSet.open(tmp_path / "set")
    assert stored_pixels(flat) == (12, 20)
    with pytest.raises(ValueError, match=r"20 × 12 pixels.*--no-random-real"):
        References(tmp_path / "real", tmp_path / "cache").make(flat, DIGITS, InThisProcess())


@pytest.mark.parametrize(
    ("module", "validation", "split"),
    [("DigitsDataModule", "test", "train"), ("DigitsDataModule", "train_split", "fit"),
     ("CIFARDataModule", "test", "train"), ("CIFARDataModule", "train_split", "fit")],
)  # fmt: skip
def test_images_that_judge_are_never_taken(module: str, validation: str, split: str) -> None:
    given = {"validation": validation, "root": "x", "dataset": "cifar10"}
    assert derive_images(module, given, load_classes("digits"), Path("c.json"), 32)["init_args"]["split"] == split


@pytest.mark.parametrize(
    ("module", "given", "message"),
    [
        ("ImageFolderDataModule", {"train": "x", "val": None}, r"data\.validation\.val is null.*--real CONFIG"),
        ("WebDatasetDataModule", {"train": "x", "val": None}, r"data\.validation\.val is null.*--no-random-real"),
        ("Elsewhere", {}, r"data\.validation is Elsewhere.*--real CONFIG"),
        ("", {}, r"data\.validation is None.*--real CONFIG"),
    ],
)
def test_what_cannot_be_derived_names_the_flags(module: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        derive_images(module, given, load_classes("digits"), Path("c.json"), 32)
