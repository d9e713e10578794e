"""W&B artifacts by reference: what a trial read and made, told apart by content; no file is uploaded."""

import hashlib
from pathlib import Path
from typing import Any

from wandb import Artifact

from hieramp_lit.files import sha256
from hieramp_lit.shards.format import MANIFEST
from hieramp_lit.shards.manifest import Manifest

_SHOWN = 12
"""Digits of a hash that name an artifact: equal content has the equal name in every trial."""


def weights_artifact(checkpoint: Path) -> Artifact:
    """The weights that generated a set: a file, or the folder of a sharded network.

    Raises:
        OSError: If they are not there.
    """
    digest = _content_sha256(checkpoint)
    artifact = Artifact(f"weights-{digest[:_SHOWN]}", "model", metadata={"sha256": digest})
    artifact.add_reference(checkpoint.resolve().as_uri(), name=checkpoint.name)
    return artifact


def set_artifact(shard_set: Path, made_from: Artifact | None) -> Artifact:
    """A shard set, by its manifest, which holds the SHA-256 of each of its shards.

    Args:
        shard_set: The set's folder.
        made_from: Its weights, where they are recorded.

    Raises:
        ShardError: If it is no finished set.
    """
    manifest = Manifest.read(shard_set)
    metadata: dict[str, Any] = {
        "manifest_sha256": manifest.hash,
        "generator": manifest.generator,
        "images_per_class": manifest.images_per_class,
        "generate_seed": manifest.seed,
        "made_from": None if made_from is None else made_from.name,
        "weights_sha256": manifest.configuration.get("weights"),
    }
    artifact = Artifact(f"set-{manifest.hash[:_SHOWN]}", "dataset", metadata=metadata)
    artifact.add_reference((shard_set / MANIFEST).resolve().as_uri(), name=MANIFEST)
    return artifact


def result_artifact(result: Path, made_from: Artifact) -> Artifact:
    """A ``result.json``.

    Args:
        result: The file.
        made_from: The set that it judges.

    Raises:
        OSError: If the file is not there.
    """
    digest = sha256(result)
    metadata = {"sha256": digest, "made_from": made_from.name}
    artifact = Artifact(f"result-{digest[:_SHOWN]}", "result", metadata=metadata)
    artifact.add_reference(result.resolve().as_uri(), name=result.name)
    return artifact


def _content_sha256(path: Path) -> str:
    if not path.is_dir():
        return sha256(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    lines = [f"{file.relative_to(path).as_posix()} {sha256(file)}" for file in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
