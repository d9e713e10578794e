"""What a weight file says beside its weights: which tokenizer, start and classes it was trained with."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open

from hieramp_lit.checkpoints.containers import RECORD, is_sharded
from hieramp_lit.checkpoints.damage import DAMAGE, told

TOKENIZER = "tokenizer_sha256"
"""SHA-256 of the tokenizer's file that made the tokens."""
CODES = "tokenizer_codes_sha256"
"""What that tokenizer's tokens mean, see `MultiScaleQuantizer.fingerprint`; the same in every file format."""
STARTED_FROM = "started_from_sha256"
"""SHA-256 of the weights that the training started from; absent where it was from scratch."""
CLASS_LIST = "class_list"
"""Classes that the rows of the label embedding were trained on: JSON of a `ClassList`."""


def read_record(path: Path, *, key: str = "checkpoint") -> dict[str, str]:
    """Text that lies beside the weights: a safetensors file's metadata, what `save` or a fit put into other files.

    Args:
        path: File, or folder of a sharded checkpoint; an existing one.
        key: Configuration key to name in errors.

    Returns:
        Text by name; empty where the file says nothing, as published ones do.

    Raises:
        ValueError: If the file is damaged.
    """
    try:
        content = _beside_weights(path)
    except DAMAGE as error:
        raise ValueError(f"{key}: cannot read {path} ({told(error)}). Download or export it again.") from error
    if not isinstance(content, Mapping):
        return {}
    return {str(name): value for name, value in content.items() if isinstance(value, str)}


def _beside_weights(path: Path) -> object:
    if is_sharded(path):
        rest = path / "meta.pt"  # what is no tensor, as Lightning writes it
        return torch.load(rest, "cpu", weights_only=True) if rest.is_file() else None
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as file:
            return file.metadata()
    if not zipfile.is_zipfile(path):
        return None  # older than all that says something, and could only be read whole
    content = torch.load(path, "cpu", weights_only=True, mmap=True)
    return vars(content)[RECORD] if RECORD in getattr(content, "__dict__", {}) else content
