"""Writes trained weights under their published names when a fit is over."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import FSDPModule

from hieramp_lit import __version__
from hieramp_lit.checkpoints import save
from hieramp_lit.var.weights import published_tensors

SUFFIXES = (".safetensors", ".pth", ".pt")


class ExportWeights(Callback):
    """At the end of a fit, save one network of the task as a plain float32 state dict.

    Tasks with an ``export`` argument add it by themselves. A fit that fails or is interrupted writes nothing.

    Args:
        path: Target file; .safetensors, .pth or .pt. Replaced atomically if it exists.
        part: The task's attribute that holds the network, e.g. ``var`` or ``vqvae``.
        metadata: Text to keep beside the weights, as it is when the file is written.

    Raises:
        ValueError: If the suffix is another, now rather than after hours of training.
    """

    def __init__(self, path: str, part: str, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.metadata = {} if metadata is None else metadata
        self.path = Path(path).expanduser()
        self.part = part
        if self.path.suffix not in SUFFIXES:
            raise ValueError(f"model.export={path!r}: expected a file name that ends in {', '.join(SUFFIXES)}.")

    @property
    def state_key(self) -> str:
        """Two exports of different networks are two callbacks."""
        return f"{type(self).__qualname__}[{self.part}]"

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse a part that the task has not, before it trains.

        Raises:
            ValueError: Naming the task and the part.
        """
        if not isinstance(getattr(pl_module, self.part, None), nn.Module):
            raise ValueError(f"ExportWeights.part={self.part!r}: {type(pl_module).__name__} has no such network.")

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file, once for all ranks; those of a sharded network first put it together."""
        network: nn.Module = getattr(pl_module, self.part)
        if isinstance(network, FSDPModule):
            whole = get_model_state_dict(network, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
            tensors = cast(dict[str, Tensor], whole)
        else:
            tensors = network.state_dict()
        if not trainer.is_global_zero:
            return
        metadata = {"producer": f"hieramp_lit {__version__}", "steps": str(trainer.global_step)}
        save(self.path, published_tensors(tensors), {**metadata, **self.metadata})
        rank_zero_info(f"Weights written to {self.path}")
