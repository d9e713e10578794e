"""The small models that the golden answers belong to, filled by the recipe."""

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.torch import load_file
from torch import Tensor

from hieramp_lit.amplify import Amplification
from hieramp_lit.generate import Sampling, VARGenerator
from hieramp_lit.var import VAR, VQVAE, Scales
from tests.golden.recipe import fill

NAMES = ("var_tiny", "var_tiny_shared_aln")
FOLDER = Path(__file__).parent


class Golden(NamedTuple):
    config: dict[str, Any]
    cases: dict[str, dict[str, Any]]
    state_dict: dict[str, dict[str, list[int]]]
    answers: dict[str, Tensor]


@cache
def golden(name: str) -> Golden:
    description = json.loads((FOLDER / f"{name}.json").read_text())
    return Golden(**description, answers=load_file(FOLDER / f"{name}.safetensors"))


def build_vqvae(name: str) -> VQVAE:
    config = golden(name).config
    vqvae = VQVAE(Scales(config["patch_nums"]), config["vocab_size"], config["z_channels"], config["ch"])
    fill(vqvae.state_dict())
    return vqvae.eval()


def build_var(name: str, class_tokens: bool = True, **changes: Any) -> VAR:
    config = golden(name).config
    keys = ("vocab_size", "z_channels", "depth", "embed_dim", "num_heads", "num_classes", "attn_l2_norm", "shared_aln")
    arguments = {key: config[key] for key in keys} | {
        "scales": Scales(config["patch_nums"]),
        "class_token_scales": tuple(config["class_token_scales"]) if class_tokens else (),
    }
    var = VAR(**(arguments | changes))
    fill(var.state_dict())
    return var.eval()


def build_generator(
    amplification: Amplification | None = None,
    *,
    name: str = "var_tiny",
    class_tokens: bool = True,
    cfg: float = 1.5,
    top_k: int = 1,
    top_p: float = 0.0,
    **execution: Any,
) -> VARGenerator:
    sampling = Sampling(cfg=cfg, top_k=top_k, top_p=top_p)
    return VARGenerator(build_vqvae(name), build_var(name, class_tokens), sampling, amplification, **execution)
