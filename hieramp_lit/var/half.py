"""Half-precision copies for generation: matrices and convolutions in half, what decides tokens in float32."""

import copy
from collections.abc import Collection
from typing import TypeVar

import torch
from torch import Tensor, nn

from hieramp_lit.var.transformer import VAR
from hieramp_lit.var.vqvae import VQVAE

Module = TypeVar("Module", bound=nn.Module)

VAR_IN_HALF = ("blocks.", "shared_ada_lin.")
"""Transformer blocks. Embeddings, the head and its norm stay: logits that are rounded draw other tokens."""
VQVAE_IN_HALF = ("decoder.", "post_quant_conv.")
"""What makes pixels of features. The codebook and φ stay: their sums are the next scale's input."""
KEPT = ("scale_mul_1H11", "ada_gss")
"""Parameters inside the blocks that float32 arithmetic reads."""


def var_in(var: VAR, dtype: torch.dtype) -> VAR:
    """A VAR whose blocks compute in `dtype`; another module that shares all tensors that stay with the original."""
    return _cast_copy(var, VAR_IN_HALF if dtype != torch.float32 else (), dtype)


def vqvae_in(vqvae: VQVAE, dtype: torch.dtype) -> VQVAE:
    """A tokenizer whose decoder computes in `dtype`, channels last; it shares all that stays with the original."""
    return _cast_copy(vqvae, VQVAE_IN_HALF, dtype)


def _cast_copy(module: Module, prefixes: Collection[str], dtype: torch.dtype) -> Module:
    """Copy a module tree: tensors below `prefixes` are cast, kernels laid out channels last; the rest is shared."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    memo: dict[int, Tensor] = {}
    for name, tensor in tensors.items():
        memo[id(tensor)] = tensor
        if prefixes and name.startswith(tuple(prefixes)) and not name.endswith(KEPT):
            cast = tensor.detach().to(dtype)
            if cast.ndim == 4:
                cast = cast.contiguous(memory_format=torch.channels_last)
            memo[id(tensor)] = nn.Parameter(cast, requires_grad=False) if isinstance(tensor, nn.Parameter) else cast
    return copy.deepcopy(module, memo)
