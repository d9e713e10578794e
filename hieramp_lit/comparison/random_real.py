"""Random real images of the same classes, number and size: made once for each plan, judged like any set."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hieramp_lit.comparison.cell import RunStage
from hieramp_lit.comparison.real_source import FLAG, derive_images
from hieramp_lit.files import sha256, write_text
from hieramp_lit.shards import ShardSet
from hieramp_lit.shards.format import MANIFEST
from hieramp_lit.shards.identity import classes_sha256
from hieramp_lit.stages import Stage

GENERATOR = "random_real"
_HASH_LENGTH = 12
_SHARD_SIZE = 250


@dataclass(frozen=True)
class References:
    """Where random real images are described, made and kept.

    Attributes:
        folder: Gets the configurations of ``hieramp predict`` that make them.
        cache: Holds sets and students for all comparisons. A set that is there is not compared with the data it came
            from again: delete the folder where these have changed.
        config: Configuration that makes random real images; None derives one from the students' validation data.
    """

    folder: Path
    cache: Path
    config: Path | None = None

    def make(self, shards: ShardSet, validation: Mapping[str, Any] | None, run: RunStage) -> ShardSet:
        """The random real images of a set's plan, made if they are not there yet.

        Args:
            shards: The set: its classes in their order, images per class, seed and size in pixels count.
            validation: ``data.validation`` of the students.
            run: See `RunStage`.

        Raises:
            StageError: If they cannot be made.
            ValueError: If it is unknown where to take them from, or the configuration makes something else.
        """
        side, manifest = _side(shards), shards.manifest
        listed = classes_sha256(shards.classes)
        plan = {
            "classes_sha256": listed,
            "images_per_class": manifest.images_per_class,
            "seed": manifest.seed,
            "side": side,
        }
        classes = self.folder / f"classes-{listed[:_HASH_LENGTH]}.json"
        source: Any
        if self.config is None:
            judges = validation or {}
            name = str(judges.get("class_path", "")).rpartition(".")[2]
            source = derive_images(name, judges.get("init_args") or {}, shards.classes, classes.resolve(), side)
            by_content = json.loads(json.dumps(source).replace(json.dumps(str(classes.resolve())), '"of the plan"'))
        else:
            source = by_content = sha256(self.config)
        key = hashlib.sha256(json.dumps([by_content, plan], sort_keys=True).encode()).hexdigest()[:_HASH_LENGTH]
        output = self.cache / "sets" / key
        shards.classes.write(classes)
        config = self.folder / f"ipc{manifest.images_per_class}-{key}.yaml"
        settings = _settings(output.resolve(), classes.resolve(), manifest.images_per_class, manifest.seed, side)
        if self.config is None:
            settings = _whole(settings, source)
        given = () if self.config is None else ("--config", str(self.config))
        arguments = ("predict", *given, "--config", str(config))
        write_text(config, _explained(arguments) + yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
        if not (output / MANIFEST).is_file():
            title = f"random real images, {manifest.images_per_class} per class, {key}"
            run(Stage(title, arguments, output, identity=key, outputs=(output / MANIFEST,)), self.cache)
        return self._checked(ShardSet.open(output), shards)

    def _checked(self, made: ShardSet, like: ShardSet) -> ShardSet:
        if made.manifest.generator != GENERATOR:
            raise ValueError(
                f"{FLAG}: {self.config} makes a set of the generator {made.manifest.generator!r}, expected "
                f"{GENERATOR!r}. Give a configuration such as configs/generate/imagenet_real.yaml."
            )
        if classes_sha256(made.classes) != classes_sha256(like.classes) or len(made) != len(like):
            raise ValueError(f"{made.path}: these random real images are of another plan. Delete the folder.")
        return made


def stored_pixels(shards: ShardSet) -> tuple[int, int]:
    """Height and width of a set's images, read from its first image."""
    height, width = next(iter(shards.take([0]))).image.shape[:2]
    return int(height), int(width)


def _side(shards: ShardSet) -> int:
    height, width = stored_pixels(shards)
    if height != width:
        raise ValueError(
            f"{shards.path}: images of {width} × {height} pixels. Random real images are squares: say --no-random-real."
        )
    return height


def _settings(output: Path, classes: Path, images_per_class: int, seed: int, side: int) -> dict[str, Any]:
    """What decides the set beside its images: an overlay of a predict configuration."""
    return {
        "trainer": {"logger": False},
        "model": {"init_args": {"output": str(output), "save_size": side}},
        "data": {
            "init_args": {
                "classes": str(classes),
                "class_rows": "imagenet",  # the rows that stand in the file
                "class_subset": None,
                "images_per_class": images_per_class,
                "shard_size": _SHARD_SIZE,
                "seed": seed,
            }
        },
    }


def _whole(settings: dict[str, Any], images: dict[str, Any]) -> dict[str, Any]:
    """A predict configuration of its own: images come at their size."""
    generator = {"class_path": "RandomReal", "init_args": {"data": images}}
    return {
        "seed_everything": 0,
        "trainer": {"accelerator": "cpu", "devices": 1, "precision": "32-true", **settings["trainer"]},
        "model": {
            "class_path": "Generation",
            "init_args": {"generator": generator, "image_format": "png", **settings["model"]["init_args"]},
        },
        "data": {"class_path": "GenerationPlan", "init_args": {"batch_size": 16, **settings["data"]["init_args"]}},
    }


def _explained(arguments: tuple[str, ...]) -> str:
    return f"# Random real images that a set is compared with.\n#\n#   hieramp {' '.join(arguments)}\n"
