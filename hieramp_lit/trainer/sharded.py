"""FSDP2 over all devices, with checkpoints that are whole or absent."""

import shutil
from pathlib import Path
from typing import Any

from lightning.pytorch.strategies import ModelParallelStrategy

from hieramp_lit.callbacks.run_logger import replaced


class ShardedStrategy(ModelParallelStrategy):
    """Shards the network of a task over all devices of all nodes; the task says how in its `configure_model`.

    For networks that with gradients and optimizer state do not fit into one device (VAR-d24 to d36: 16 bytes a
    parameter, shared out). The steps are those of ``strategy: ddp``, but for rounding. A checkpoint is a folder
    ``….ckpt/`` of one file a rank; ``--ckpt_path`` resumes from it on any number of devices, and `model.checkpoint`
    takes its weights in any task.
    """

    def __init__(self) -> None:
        super().__init__(tensor_parallel_size=1, save_distributed_checkpoint=True)

    def setup_environment(self) -> None:
        """Take all devices for data parallelism; Lightning's `auto` would take one a node."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()

    def load_checkpoint(self, checkpoint_path: str | Path, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a folder that this strategy wrote, on whichever number of ranks.

        Raises:
            ValueError: If it is a file of another strategy.
        """
        if Path(checkpoint_path).is_file():
            raise ValueError(
                f"--ckpt_path: {checkpoint_path} is a file, which ddp or a single device wrote; a sharded network "
                "resumes from a folder. Resume without the overlay, or start from its weights with --model.checkpoint."
            )
        return super().load_checkpoint(checkpoint_path, weights_only)

    def save_checkpoint(
        self, checkpoint: dict[str, Any], filepath: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write a folder beside the old one, and put it in its place when all ranks are done.

        Raises:
            OSError: If the disk is full; an old checkpoint of this name is then as it was.
        """
        path = Path(self.broadcast(str(filepath)))
        aside, old = path.with_name(f".{path.name}.tmp"), path.with_name(replaced(path.name))
        if self.is_global_zero:
            shutil.rmtree(aside, ignore_errors=True)
        self.barrier()
        super().save_checkpoint(checkpoint, aside, storage_options)
        self.barrier()
        if self.is_global_zero:
            shutil.rmtree(old, ignore_errors=True)
            if path.is_dir():
                path.rename(old)
            elif path.exists():
                path.unlink()
            aside.rename(path)
            shutil.rmtree(old, ignore_errors=True)
        self.barrier()
