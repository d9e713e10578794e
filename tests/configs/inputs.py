"""Tiny stand-ins for what configurations read: data sets in their layouts, weights, distilled sets, token caches.

Configurations run in an empty folder. Data sets stand there where the configuration looks for them, so that its own
class list, rows and labels are tried; weights are exchanged for tiny ones of the same number of classes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import webdataset
import yaml
from PIL import Image

from hieramp_lit.checkpoints import save
from hieramp_lit.classes import load_classes
from hieramp_lit.cli import main
from hieramp_lit.data.images.digits import load_digits_split
from hieramp_lit.shards import ShardSet
from hieramp_lit.students import create_student
from hieramp_lit.var import VARArchitecture
from tests.configs.shipped import ROOT
from tests.data.image_sets import write_cifar, write_tiny_imagenet

SIDE = 32
"""Pixels that `tiny_tokenizer` takes."""


def write_own_images(root: Path) -> Path:
    """Somebody's own images: ``train`` and ``val`` with a folder for each of ten classes, two images in each."""
    for part, split in (("train", "train"), ("val", "test")):
        images, labels = load_digits_split(split)
        for label in range(10):
            folder = root / part / str(label)
            folder.mkdir(parents=True)
            for index, image in enumerate(images[labels == label][:2]):
                Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"{index}.png")
    return root


def write_imagenet(root: Path) -> Path:
    """A tree like ImageNet's: ``train`` and ``val`` with a thousand folders named by WordNet id, an image in each."""
    for part, shade in (("train", 60), ("val", 200)):
        for entry in load_classes("imagenet").entries:
            folder = root / part / str(entry.wnid)
            folder.mkdir(parents=True)
            colour = (entry.row % 256, entry.row // 4, shade)
            Image.new("RGB", (40, 36), colour).save(folder / f"{part}_{entry.row:08d}.JPEG")
    return root


def write_imagenet_shards(root: Path, imagenet: Path) -> None:
    """The tree as timm's shards of ImageNet hold it, in two shards a part."""
    root.mkdir(parents=True)
    entries = load_classes("imagenet").entries
    for part, folder in (("train", "train"), ("validation", "val")):
        for shard in range(2):
            with webdataset.TarWriter(str(root / f"imagenet1k-{part}-{shard:04d}.tar"), encoder=False, mtime=0) as tar:
                for entry in entries[500 * shard : 500 * shard + 500]:
                    (image,) = (imagenet / folder / str(entry.wnid)).iterdir()
                    tar.write({"__key__": image.stem, "jpg": image.read_bytes(), "cls": str(entry.cls).encode()})


def put_data_sets(config: Path, own_images: Path, imagenet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the data sets that a configuration names into the current folder."""
    text = config.read_text()
    Path("datasets").mkdir(exist_ok=True)
    for place, data in ((Path("images"), own_images), (Path("datasets/imagenet"), imagenet)):
        if not place.exists():
            place.symlink_to(data)
    if "datasets/cifar" in text and not Path("datasets/cifar").exists():
        write_cifar(Path("datasets/cifar"), monkeypatch, "cifar10", per_batch=20)
        write_cifar(Path("datasets/cifar"), monkeypatch, "cifar100", per_batch=200)
    if "datasets/imagenet-wds" in text:
        write_imagenet_shards(Path("datasets/imagenet-wds"), imagenet)
    if "datasets/tiny-imagenet-200" in text and not Path("datasets/tiny-imagenet-200").exists():
        write_tiny_imagenet(Path("datasets/tiny-imagenet-200"))


@dataclass(frozen=True)
class TinyInputs:
    """Exchanges what a configuration reads.

    Attributes:
        shared: Folder for files that several tests read.
        tokenizer: Weights that every configuration gets.
    """

    shared: Path
    tokenizer: Path

    def write(self, config: Path) -> Path:
        """Write ``inputs.yaml`` for a configuration; to be given after it and the overlay of tests/tiny."""
        shipped = yaml.safe_load(config.read_text())
        model, data = shipped["model"]["init_args"], shipped["data"]
        new_data = self._data(data["class_path"], data["init_args"])
        new_model: dict[str, Any] = {}
        if "tokenizer" in model:
            new_model["tokenizer"] = {"checkpoint": str(self.tokenizer)}
            if model.get("checkpoint") is not None:
                new_model["checkpoint"] = str(self.var(_classes_of_weights(model, data["init_args"])))
        if "var" in model:
            new_model["var"] = {"num_classes": model["var"]["num_classes"]}
            if config.stem in ("folder", "folder_cached"):  # as the READMEs say for classes of one's own
                new_model |= {"label_rows": "new", "var": {"num_classes": 10}}
        if model.get("teacher"):
            new_model["teacher"] = self.teacher(len(ShardSet.open(new_data["path"]).classes))
        if "generator" in model:
            new_model["generator"] = {"init_args": self._generator(model["generator"]["init_args"], data["init_args"])}
        if "image_size" in model:
            new_model["image_size"] = SIDE
        inputs = Path("inputs.yaml")
        inputs.write_text(yaml.safe_dump({"model": {"init_args": new_model}, "data": {"init_args": new_data}}))
        return inputs

    def var(self, num_classes: int) -> Path:
        """Weights of a VAR of so many classes that fits the tokenizer."""
        path = self.shared / f"var_{num_classes}.safetensors"
        if not path.exists():
            sizes = {"vocab_size": 16, "z_channels": 4, "depth": 2, "embed_dim": 16, "num_heads": 2}
            var = VARArchitecture(patch_nums=(1, 2, 3, 4), num_classes=num_classes, **sizes).build()
            var.init_weights(torch.Generator().manual_seed(0))
            save(path, var.state_dict())
        return path

    def teacher(self, num_classes: int) -> dict[str, Any]:
        """A teacher that knows nothing, as argument of the task."""
        path = self.shared / f"teacher_{num_classes}.safetensors"
        if not path.exists():
            torch.manual_seed(0)
            save(path, create_student("convnet3", num_classes, SIDE).state_dict())
        return {"architecture": "convnet3", "checkpoint": str(path), "pretrained": False, "rows": None}

    def _generator(self, shipped: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
        """New arguments of a generator that takes real images."""
        new: dict[str, Any] = {}
        if "image_size" in shipped["data"]["init_args"]:
            new["data"] = {"init_args": {"image_size": SIDE}}
        if "teacher" in shipped:  # crops of so few images as there are make no collage
            new |= {
                "teacher": self.teacher(len(_rows(plan["classes"], plan))),
                "image_size": SIDE,
                "factor": 1,
                "candidates": 4,
            }
        return new

    def _data(self, module: str, shipped: dict[str, Any]) -> dict[str, Any]:
        """New arguments of a data module."""
        if module == "GenerationPlan":
            return {"images_per_class": 1, "class_subset": _ten_of(shipped["classes"], shipped)}
        if module == "TokenDataModule":
            return {"path": str(self._token_cache("imagenet" if "imagenet" in shipped["path"] else "folder"))}
        if module == "TokenizationPlan":
            return {
                "images": {"init_args": self._data(shipped["images"]["class_path"], shipped["images"]["init_args"])}
            }
        if module == "ShardDataModule":
            judge, judged = shipped["validation"]["class_path"], shipped["validation"]["init_args"]
            return {
                "path": str(self._real_set(judge, judged)),
                "image_size": SIDE,
                "validation": {"init_args": self._data(judge, judged)},
            }
        return {} if module == "DigitsDataModule" else {"image_size": SIDE, "num_workers": 0}

    def _token_cache(self, name: str) -> Path:
        """ImageNet, or somebody's own images, as tokens."""
        folder = self.shared / f"tokens_{name}"
        if not folder.exists():
            config = ROOT / f"configs/tokenize/{name}.yaml"
            tiny = ["--data.images.image_size=32", "--data.images.num_workers=0", "--trainer.logger=false"]
            given = [f"--model.tokenizer.checkpoint={self.tokenizer}", f"--model.output={folder}", *tiny]
            main(["tokenize", f"--config={config}", f"--config={ROOT}/tests/tiny/tokenize.yaml", *given])
        return folder

    def _real_set(self, judge: str, judged: dict[str, Any]) -> Path:
        """A distilled set for the images that judge a student: a real image of each of their first ten classes."""
        name = {
            "DigitsDataModule": "digits",
            "ImageFolderDataModule": "imagenet" if judged.get("classes") else "folder",
            "CIFARDataModule": judged.get("dataset"),
            "TinyImageNetDataModule": "tiny_imagenet",
        }[judge]
        classes = judged.get("classes")
        folder = self.shared / f"real_{classes or name}"
        if not folder.exists():
            config = ROOT / f"configs/generate/{name}_real.yaml"
            plan = yaml.safe_load(config.read_text())["data"]["init_args"]
            chosen = classes or plan["classes"]
            given = [
                f"--data.classes={chosen}",
                f"--data.class_subset={_ten_of(chosen, plan)}",
                "--data.images_per_class=1",
            ]
            quiet = ["--trainer.accelerator=cpu", "--trainer.logger=false", "--trainer.enable_progress_bar=false"]
            main(["predict", f"--config={config}", *given, f"--model.output={folder}", "--model.save_size=32", *quiet])
        return folder


def _classes_of_weights(model: dict[str, Any], data: dict[str, Any]) -> int:
    """Classes of the weights that a configuration starts from."""
    if model.get("label_rows") == "new":
        return 1000
    if "var" in model:
        return int(model["var"]["num_classes"])
    return max(_rows(data["classes"], data)) + 1


def _ten_of(classes: str, plan: dict[str, Any]) -> list[int]:
    return _rows(classes, plan)[:10]


def _rows(classes: str, plan: dict[str, Any]) -> list[int]:
    return load_classes(classes, plan.get("class_rows", "imagenet")).rows
