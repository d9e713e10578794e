"""The tokenizer that a command encodes images with: from its weights, or as a configuration names them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from hieramp_lit.analysis import ImageEncoder
from hieramp_lit.checkpoints import resolve, weights_sha256
from hieramp_lit.var import Scales, VARArchitecture
from hieramp_lit.var.weights import load_vqvae, read_var_tensors

KEY = "--tokenizer"


def load_encoder(given: str, patch_nums: Sequence[int] | None, device: torch.device, batch_size: int) -> ImageEncoder:
    """Load a tokenizer.

    Args:
        given: Weights, see `checkpoints.resolve`; or a configuration (``.yaml``) of tokenization, tuning or generation,
            with its own token maps.
        patch_nums: Sides of the token maps, which no tokenizer's file holds; they go before a configuration's.
        device: Where to encode.
        batch_size: Images at once.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no tokenizer and names none, or nothing tells the token maps.
    """
    checkpoint = given
    if Path(given).suffix in (".yaml", ".yml"):
        model = _model_of(given)
        tokenizer = model.get("tokenizer")
        if not isinstance(tokenizer, Mapping):
            raise ValueError(
                f"{KEY} {given} names no model.tokenizer: give a configuration of configs/tokenize, "
                "configs/token_tuning or configs/generate that does, or the tokenizer's weights."
            )
        checkpoint = tokenizer["checkpoint"]
        patch_nums = patch_nums or _patch_nums(model)
    if patch_nums is None:
        raise ValueError(
            f"{KEY} {given}: no file of a tokenizer says its token maps, and no set here does. Give --patch-nums, e.g. "
            "1 2 3 4 5 6 8 10 13 16 for the published tokenizer at 256²."
        )
    vqvae = load_vqvae(checkpoint, Scales(patch_nums), key=KEY).requires_grad_(False)
    return ImageEncoder(vqvae, weights_sha256(resolve(checkpoint, key=KEY)), device, batch_size)


def _model_of(path: str) -> Mapping[str, Any]:
    from hieramp_lit.cli import COMMANDS
    from hieramp_lit.doctor.setup import Setup  # here: Lightning takes seconds to import
    from hieramp_lit.lightning_cli import parse, without_misleading_noise

    with without_misleading_noise():
        return Setup.of(parse(["--config", path], "analyze", COMMANDS["analyze"]).config).model


def _patch_nums(model: Mapping[str, Any]) -> Sequence[int] | None:
    """Sides that a configuration names, or those of its VAR."""
    named = model.get("patch_nums") or (model.get("var") or {}).get("patch_nums")
    if named or not model.get("checkpoint"):
        return named
    return VARArchitecture.of(read_var_tensors(model["checkpoint"], key="model.checkpoint")).patch_nums
