"""The generator that made a set, from the configuration of its `hieramp predict`."""

from collections.abc import Sequence
from pathlib import Path

import torch

from hieramp_lit.cli import LIGHTNING_COMMANDS
from hieramp_lit.generate.base import Generator
from hieramp_lit.generate.var import VARGenerator
from hieramp_lit.shards import ShardSet

_COMMAND = "predict"


def generator_of(shards: ShardSet, config: Sequence[str], device: torch.device, key: str = "--config") -> Generator:
    """Build the generator that a configuration names, on a device and in the set's precision.

    Args:
        shards: The set.
        config: Files (``FILE.yaml``), and what overrides them (``model.checkpoint=FILE``), in any order.
        device: Where it is to generate.
        key: Name of the argument, for messages.

    Raises:
        ValueError: If a word is neither, or the configuration generates no images; as its constructors do.
        SystemExit: If the configuration cannot be parsed, with its message.
    """
    from hieramp_lit.doctor.setup import Setup, build_generator  # here: Lightning takes seconds to import
    from hieramp_lit.lightning_cli import parse, without_misleading_noise
    from hieramp_lit.tasks.precision import dtype_of

    with without_misleading_noise():
        cli = parse(_arguments(config, key), _COMMAND, LIGHTNING_COMMANDS[_COMMAND])
        setup = Setup.of(cli.config)
        if setup.command != _COMMAND:
            raise ValueError(f"{key}: {setup.task} generates no images. Give the set's own configuration.")
        generator = build_generator(cli.parser, cli.config)
    if isinstance(generator, VARGenerator):
        generator.execute(dtype_of(str(shards.manifest.identity["precision"])))
        generator.to(device)
    return generator


def _arguments(config: Sequence[str], key: str) -> list[str]:
    words = []
    for word in config:
        name, equals, _ = word.partition("=")
        if Path(word).suffix in (".yaml", ".yml") and not equals:
            words += ["--config", word]
        elif equals and name:
            words.append(f"--{word}")
        else:
            raise ValueError(
                f"{key} {word}: neither a configuration (FILE.yaml) nor KEY=VALUE, such as "
                "model.checkpoint=runs/digits/class_tokens.safetensors. A set goes before it."
            )
    return words
