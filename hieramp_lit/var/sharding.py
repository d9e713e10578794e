"""Spreading a VAR over devices: each holds a part of every weight, its gradient and its optimizer state (FSDP2)."""

from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from hieramp_lit.var.transformer import VAR


def shard(var: VAR, mesh: DeviceMesh) -> None:
    """Shard a VAR in place; harmless when called twice.

    A device gathers the weights of one branch of a block at a time, for its forward and backward pass. A block is not
    gathered as a whole, since its modulations are computed before the first block runs.

    Args:
        var: On any device; its parameters become `DTensor` with the names and shapes that they had.
        mesh: The devices, in one dimension.
    """
    if isinstance(var, FSDPModule):
        return
    for block in var.blocks:
        for branch in (block.attn, block.ffn, block.ada_lin):
            if isinstance(branch, nn.Module):  # `ada_lin` is None where AdaLN is shared
                fully_shard(branch, mesh=mesh)
    fully_shard(var, mesh=mesh)
