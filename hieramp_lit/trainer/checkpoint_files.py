"""Checkpoints as files: written whole or not at all, and found again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from hieramp_lit.files import atomic_write


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its final name, syncs it and renames it.

    Lightning's own writes into the system's temporary folder and moves the file, which copies it where that is another
    file system: a process that is killed meanwhile leaves half a file in place of a good one. It also holds the whole
    file in memory.
    """

    def save_checkpoint(
        self, checkpoint: Mapping[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write a file, or with a URL leave it to Lightning.

        Raises:
            OSError: If it cannot be written; what had this name is then as it was.
        """
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(dict(checkpoint), path, storage_options)
            return
        try:
            with atomic_write(Path(path)) as aside, aside.open("wb") as file:
                torch.save(checkpoint, file)
        except OSError as error:
            raise _not_written(Path(path), error) from error
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # torch's writer wraps what the file raised
                raise _not_written(Path(path), error.__context__) from error
            raise

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Read a file.

        Raises:
            ValueError: If it is the folder of a sharded network's checkpoint.
        """
        if Path(path).is_dir():
            raise ValueError(
                f"--ckpt_path: {path} is of a sharded network: resume with --config configs/overlays/fsdp.yaml, or "
                "start from its weights with --model.checkpoint."
            )
        return super().load_checkpoint(path, *args, **kwargs)


def checkpoint_folder(trainer: Trainer) -> Path | None:
    """Where the run keeps its checkpoints; None if it keeps none."""
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.dirpath is not None:
            return Path(callback.dirpath)
    return None


def newest_checkpoint(trainer: Trainer) -> Path | None:
    """The checkpoint that the run wrote last, or else the one that it was resumed from; None without either."""
    folder = checkpoint_folder(trainer)
    written = list(folder.glob(f"*{ModelCheckpoint.FILE_EXTENSION}")) if folder is not None else []
    if written:
        return max(written, key=lambda path: path.stat().st_mtime)
    return Path(trainer.ckpt_path) if trainer.ckpt_path is not None else None


def _not_written(path: Path, error: OSError) -> OSError:
    before = "the one before is untouched" if path.exists() else "there was none of this name before"
    others = any(path.parent.glob(f"*{ModelCheckpoint.FILE_EXTENSION}"))
    again = "resume with --ckpt_path from the newest one in this folder" if others else "run the same command again"
    return OSError(
        error.errno,
        f"cannot write the checkpoint {str(path)!r} ({error.strerror or error}); {before}. Make room or get write "
        f"access, and {again}",
    )
