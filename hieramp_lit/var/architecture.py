"""Sizes of VAR and of its tokenizer: typed, buildable, and readable from the shapes of a state dict.

Every size but the tokenizer's scales stands in the shapes of the published files, so weights alone say what they are.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields

from torch import Tensor

from hieramp_lit.var.scales import Scales
from hieramp_lit.var.transformer import VAR, ClassHead
from hieramp_lit.var.vqvae import VQVAE

_NOT_IN_WEIGHTS = ("drop_path_rate", "adaln_gamma")
"""Arguments of `VARArchitecture` that no tensor's shape tells."""


@dataclass(frozen=True)
class VQVAEArchitecture:
    """Sizes of a tokenizer; the defaults are the published one's. Arguments as in `VQVAE`."""

    vocab_size: int = 4096
    z_channels: int = 32
    ch: int = 160
    ch_mult: tuple[int, ...] = (1, 1, 2, 2, 4)
    num_res_blocks: int = 2
    num_phi: int = 4

    def build(self, scales: Scales) -> VQVAE:
        """Tokenizer of these sizes with fresh weights."""
        return VQVAE(scales, self.vocab_size, self.z_channels, self.ch, self.ch_mult, self.num_res_blocks, self.num_phi)

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "VQVAEArchitecture":
        """Read the sizes from a state dict.

        Raises:
            KeyError: If it is not a tokenizer's.
        """
        levels = _count(tensors, "encoder.down.")
        ch = tensors["encoder.conv_in.weight"].shape[0]
        vocab_size, z_channels = tensors["quantize.embedding.weight"].shape
        return cls(
            vocab_size=vocab_size,
            z_channels=z_channels,
            ch=ch,
            ch_mult=tuple(tensors[f"encoder.down.{i}.block.0.conv1.weight"].shape[0] // ch for i in range(levels)),
            num_res_blocks=_count(tensors, "encoder.down.0.block."),
            num_phi=_count(tensors, "quantize.quant_resi.qresi_ls."),
        )


@dataclass(frozen=True)
class VARArchitecture:
    """Sizes of a VAR; the defaults are those of HIERAMP's depth 16 at 256².

    Args:
        patch_nums: Sides of the token maps, coarse to fine.
        vocab_size: Codebook size of the tokenizer.
        z_channels: Latent channels of the tokenizer.
        depth: Transformer blocks.
        embed_dim: Width; null is 64 × depth, as published.
        num_heads: Attention heads; null is the depth, as published. Without `attn_l2_norm` no tensor tells it: give it.
        num_classes: Classes; the label embedding has one row more, for "unconditional".
        attn_l2_norm: Normalize queries and keys, as published.
        shared_aln: One modulation layer for all blocks, as published at 512².
        class_tokens: One class token for every scale; false is plain VAR.
        class_head: One classifier of the class tokens for all scales (`shared`, released code) or one a scale
            (`per_scale`, paper Eq. 6).
        drop_path_rate: Drop-path rate of the last block; null is 0.1 · depth / 24, as published.
        adaln_gamma: Factor on the initial weights that make the residual gains.
    """

    patch_nums: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)
    vocab_size: int = 4096
    z_channels: int = 32
    depth: int = 16
    embed_dim: int | None = None
    num_heads: int | None = None
    num_classes: int = 1000
    attn_l2_norm: bool = True
    shared_aln: bool = False
    class_tokens: bool = True
    class_head: ClassHead = "shared"
    drop_path_rate: float | None = None
    adaln_gamma: float = 1e-3

    def build(self, class_token_scales: tuple[int, ...] | None = None) -> VAR:
        """VAR of these sizes with fresh weights; `class_token_scales` overrides "all or none".

        Raises:
            ValueError: If the number of heads is unknown, or `VAR` refuses a size.
        """
        if self.num_heads is None and not self.attn_l2_norm:
            raise ValueError(
                "num_heads is null and attn_l2_norm is false: without L2-normalized attention no tensor tells the "
                "number of heads, and another number gives other images in silence. Give num_heads."
            )
        scales = Scales(self.patch_nums)
        if class_token_scales is None:
            class_token_scales = tuple(range(len(scales))) if self.class_tokens else ()
        return VAR(
            scales,
            self.vocab_size,
            self.z_channels,
            depth=self.depth,
            embed_dim=self.embed_dim or 64 * self.depth,
            num_heads=self.num_heads or self.depth,
            num_classes=self.num_classes,
            attn_l2_norm=self.attn_l2_norm,
            shared_aln=self.shared_aln,
            class_token_scales=class_token_scales,
            class_head=self.class_head,
            drop_path_rate=self.drop_path_rate,
            adaln_gamma=self.adaln_gamma,
        )

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "VARArchitecture":
        """Read the sizes from a state dict.

        Without `attn_l2_norm` no tensor tells the number of heads; `num_heads` is then None and `build` asks for it.

        Raises:
            KeyError: If it is not a VAR's.
        """
        rows, embed_dim = tensors["class_emb.weight"].shape
        l2_norm = "blocks.0.attn.scale_mul_1H11" in tensors
        num_heads = tensors["blocks.0.attn.scale_mul_1H11"].shape[1] if l2_norm else None
        lengths = Counter(tensors["lvl_1L"].flatten().tolist())
        return cls(
            patch_nums=tuple(math.isqrt(lengths[level]) for level in sorted(lengths)),
            vocab_size=tensors["head.weight"].shape[0],
            z_channels=tensors["word_embed.weight"].shape[1],
            depth=_count(tensors, "blocks."),
            embed_dim=embed_dim,
            num_heads=num_heads,
            num_classes=rows - 1,
            attn_l2_norm=l2_norm,
            shared_aln="shared_ada_lin.1.weight" in tensors,
            class_tokens=any(name.startswith("cls_tokens.") for name in tensors),
            class_head="per_scale"
            if any(name.count(".") == 2 for name in tensors if name.startswith("class_head."))
            else "shared",
        )

    def settings_unlike(self, other: "VARArchitecture") -> dict[str, str]:
        """Sizes to give another architecture so that weights of this one fit, as YAML; those that agree are left out.

        Width and heads that follow from the depth are null. Class tokens may be absent from weights, not from a model
        for weights that have them.
        """
        ours, theirs = self._yaml(), other._yaml()
        if not self.class_tokens:
            ours |= {name: theirs[name] for name in ("class_tokens", "class_head")}
        return {name: value for name, value in ours.items() if value != theirs[name]}

    def _yaml(self) -> dict[str, str]:
        implied = {"embed_dim": 64 * self.depth, "num_heads": self.depth if self.attn_l2_norm else None}
        names = [field.name for field in fields(self) if field.name not in _NOT_IN_WEIGHTS]
        values = {name: getattr(self, name) for name in names}
        values |= {name: None for name, value in implied.items() if values[name] == value}
        return {name: json.dumps(value) for name, value in values.items()}

    def describe(self) -> str:
        """One line for messages: depth, width, heads, classes, scales, kind."""
        extras = [
            "shared AdaLN" if self.shared_aln else "",
            "" if self.attn_l2_norm else "no L2-normalized attention",
            f"class tokens ({self.class_head} head)" if self.class_tokens else "no class tokens",
        ]
        return (
            f"VAR depth {self.depth}, width {self.embed_dim or 64 * self.depth}, "
            f"{self.num_heads or (self.depth if self.attn_l2_norm else 'unknown')} heads, "
            f"{self.num_classes} classes, codebook {self.vocab_size}×{self.z_channels}, patch_nums "
            f"{list(self.patch_nums)}, {', '.join(extra for extra in extras if extra)}"
        )


def _count(tensors: Mapping[str, Tensor], prefix: str) -> int:
    """Number of different indices that follow `prefix`."""
    return len({name.removeprefix(prefix).split(".")[0] for name in tensors if name.startswith(prefix)})
