"""What a configuration asks for, read without building it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch import LightningDataModule

from hieramp_lit.cli import raised_by
from hieramp_lit.generate.base import Generator
from hieramp_lit.tasks import Generation

COMMANDS = {
    "ClassTokenTuning": "fit",
    "TokenizerTraining": "fit",
    "RelabelTraining": "fit",
    "AmplifiedGeneration": "predict",
    "Generation": "predict",
    "Tokenization": "tokenize",
}
"""The tasks, and what runs them."""
_SLOW = {"check": False, "unreadable": "error"}
"""Arguments of data modules that look at every image before the first is used; here a few images are looked at."""


@dataclass(frozen=True)
class Setup:
    """A configuration.

    Attributes:
        task: Class of ``model``, without its package.
        model: Its arguments, with their defaults.
        data_class: Class of ``data``, without its package.
        data: Its arguments.
        trainer: The trainer's.
    """

    task: str
    model: Mapping[str, Any]
    data_class: str
    data: Mapping[str, Any]
    trainer: Mapping[str, Any]

    @classmethod
    def of(cls, config: Namespace) -> "Setup":
        """Take a parsed configuration apart.

        Raises:
            ValueError: If it names a task that is not ours.
        """
        model, data = config["model"], config["data"]
        task = model["class_path"].rpartition(".")[2]
        if task not in COMMANDS:
            raise ValueError(f"model.class_path={model['class_path']!r}: expected one of {', '.join(COMMANDS)}.")
        return cls(
            task,
            _plain(model.get("init_args")),
            data["class_path"].rpartition(".")[2],
            _plain(data.get("init_args")),
            _plain(config["trainer"]),
        )

    @property
    def command(self) -> str:
        """What runs it: fit, predict or tokenize."""
        return COMMANDS[self.task]

    @property
    def precision(self) -> str:
        """``trainer.precision``."""
        return str(self.trainer.get("precision") or "32-true")

    @property
    def half(self) -> bool:
        """Whether it computes in half precision."""
        return "16" in self.precision

    @property
    def judges(self) -> str:
        """Key of the data module that has the validation images: within a student's set, or ``data`` itself."""
        return "data.init_args.validation" if isinstance(self.data.get("validation"), Mapping) else "data"

    def sharded(self, gpus: int) -> int:
        """Devices that share one copy of the weights; 1 where each has its own.

        Args:
            gpus: Of this machine, which ``trainer.devices: auto`` means.
        """
        strategy = str(self.trainer.get("strategy")).lower()
        if "shard" not in strategy and "fsdp" not in strategy:
            return 1
        devices = str(self.trainer.get("devices"))
        number = int(devices) if devices.isdecimal() else max(gpus, 1)
        return number * int(self.trainer.get("num_nodes") or 1)


def build_data(parser: ArgumentParser, config: Namespace, part: str = "data") -> LightningDataModule:
    """Build a data module of a configuration, without its look at every image.

    Args:
        parser: That of the configuration.
        config: The whole configuration.
        part: Key of the data module: ``data``, ``data.init_args.images``, ``data.init_args.validation``.

    Raises:
        ValueError: As its constructor does.
    """
    alone = config.clone()
    chosen = alone[part]
    for name, value in _SLOW.items():
        if name in (chosen.get("init_args") or {}):
            chosen["init_args"][name] = value
    built = _built(parser, alone, "data", chosen)
    if not isinstance(built, LightningDataModule):
        raise ValueError(f"{part}: {type(built).__name__} is no data module.")
    return built


def build_generator(parser: ArgumentParser, config: Namespace) -> Generator:
    """Build what makes the images of a `Generation`, as the run does.

    Args:
        parser: That of the configuration.
        config: The whole configuration.

    Raises:
        ValueError: As the constructors of task and generator do.
    """
    task = _built(parser, config.clone(), "model", config["model"])
    if not isinstance(task, Generation):
        raise ValueError(f"model: {type(task).__name__} is no Generation.")
    return task.generator


def arguments_of(part: object) -> Mapping[str, Any]:
    """Arguments of a class that is itself an argument, such as ``data.validation``; none of what is no class."""
    return (part.get("init_args") or {}) if isinstance(part, Mapping) else {}


def _plain(arguments: Namespace | None) -> Mapping[str, Any]:
    return arguments.as_dict() if isinstance(arguments, Namespace) else {}


def _built(parser: ArgumentParser, alone: Namespace, name: str, chosen: Namespace) -> object:
    """One part of a configuration, which is given up for it."""
    for other in [other for other in alone.keys(branches=True) if "." not in other]:
        alone.pop(other)
    alone[name] = chosen
    try:
        return parser.instantiate(alone)[name]
    except ValueError as wrapped:  # around the refusal come the types that were tried and a dump of the configuration
        error: BaseException = wrapped
        while error.__cause__ is not None and raised_by(error) == "jsonargparse":
            error = error.__cause__
        raise error from error.__cause__
