"""Checkpoints in many files, as FSDP writes them: a folder with `.metadata` and `*.distcp`, read by one process.

torch's own reader would unpickle `.metadata` and whatever is no tensor. Here `.metadata` may name only the classes that
describe tensors, and of the rest nothing is read: no code from a checkpoint runs.
"""

import importlib
import pickle
import warnings
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta, TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load

METADATA = ".metadata"
PREFIXES = ("model.", "state_dict.", "")
"""Where Lightning puts the weights, under FSDP and under the strategy for parallel models; bare ones of other tools."""
_CLASSES = {
    "torch.distributed.checkpoint.metadata": {
        "BytesStorageMetadata",
        "ChunkStorageMetadata",
        "Metadata",
        "MetadataIndex",
        "StorageMeta",
        "TensorProperties",
        "TensorStorageMetadata",
        "_MEM_FORMAT_ENCODING",
    },
    "torch.distributed.checkpoint.filesystem": {"_StorageInfo"},
    "torch.serialization": {"_get_layout"},
    "pathlib": {"PosixPath", "PurePosixPath"},
    "pathlib._local": {"PosixPath", "PurePosixPath"},
    "collections": {"OrderedDict"},
}


def read_sharded(path: Path) -> dict[str, Tensor]:
    """All weights, whole, on the CPU; an optimizer's state is not read.

    Args:
        path: The folder.

    Raises:
        ValueError: If a file is missing, damaged, or names a class beside those that describe tensors.
    """
    reader = _Reader(path)
    try:
        described = reader.read_metadata().state_dict_metadata
        tensors = {name: item for name, item in described.items() if isinstance(item, TensorStorageMetadata)}
        prefix = next(prefix for prefix in PREFIXES if any(name.startswith(prefix) for name in tensors) or not prefix)
        weights = {
            name: torch.empty(item.size, dtype=item.properties.dtype)
            for name, item in tensors.items()
            if name.startswith(prefix)
        }
        with warnings.catch_warnings():
            # Warned of though asked for: other ranks, if there are any, read for themselves.
            warnings.filterwarnings("ignore", message="torch.distributed is disabled")
            load(weights, storage_reader=reader, no_dist=True)
    except (CheckpointException, pickle.UnpicklingError, RuntimeError, EOFError, OSError, *_UNFIT) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items()}


_UNFIT = (ValueError, KeyError, TypeError, AttributeError, IndexError)
"""What arises where a damaged `.metadata` holds values of other kinds."""


class _Unpickler(pickle.Unpickler):
    """Knows the classes of `_CLASSES` and torch's dtypes."""

    def find_class(self, module: str, name: str) -> Any:
        """Give a class, or refuse it."""
        if name in _CLASSES.get(module, ()):
            return getattr(importlib.import_module(module), name)
        found = getattr(torch, name, None) if module == "torch" else None
        if found is torch.Size or isinstance(found, torch.dtype):
            return found
        raise pickle.UnpicklingError(f"{METADATA} names {module}.{name}, which does not describe tensors")


class _Reader(FileSystemReader):
    """torch's reader, which runs nothing of `.metadata` and stays in its folder."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """What the folder holds."""
        with (Path(self.path) / METADATA).open("rb") as file:
            metadata = _Unpickler(file).load()
        if not isinstance(metadata, Metadata) or not isinstance(metadata.storage_data, dict):
            raise ValueError(f"{METADATA} holds a {type(metadata).__name__} that describes no files")
        for info in metadata.storage_data.values():
            place = PurePosixPath(info.relative_path)
            if place.is_absolute() or ".." in place.parts:
                raise ValueError(f"{METADATA} points out of its folder, to {str(place)!r}")
        metadata.storage_meta = StorageMeta()
        metadata.storage_meta.load_id = self.load_id
        return metadata
