"""The frozen tokenizer inside a task: only as much of it as its batches need.

Legend: ``B`` batch · ``L`` tokens of all scales · ``l₀`` tokens of the first scale · ``c`` latent channels.
"""

from typing import Any

import torch
from torch import Tensor, nn

from hieramp_lit.data.pixels import to_unit_range
from hieramp_lit.data.tokens.cache import TokenCache
from hieramp_lit.var import VQVAE, Scales, Tokenizer


class FrozenTokenizer(nn.Module):
    """Codebook and φ convolutions, which make the teacher-forcing input; with images also the encoder.

    Everything computes in float32 under any autocast: bfloat16 would choose other tokens. The weights have a file of
    their own: they stay out of the task's checkpoints, and loading one leaves them as they are.

    Args:
        tokenizer: Where the weights are.
        scales: Token maps.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no tokenizer.
    """

    def __init__(self, tokenizer: Tokenizer, scales: Scales) -> None:
        super().__init__()
        self._source = tokenizer
        self.sha256 = tokenizer.sha256()
        self.quantizer = tokenizer.load_quantizer(scales)
        self.vqvae: VQVAE | None = None
        self.register_state_dict_post_hook(_leave_out)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_put_back)  # type: ignore[no-untyped-call]

    def load_encoder(self) -> VQVAE:
        """Get ready for images, and return the whole tokenizer; harmless when called twice."""
        if self.vqvae is None:
            self.vqvae = self._source.load(self.quantizer.scales).to(self.quantizer.embedding.weight.device)
        return self.vqvae

    def check_cache(self, cache: TokenCache) -> None:
        """Refuse tokens of another tokenizer.

        Raises:
            ValueError: Naming both tokenizers, or the scales of both.
        """
        theirs = cache.identity["tokenizer"]
        if theirs["sha256"] != self.sha256:
            raise ValueError(
                f"data.path={str(cache.path)!r} holds tokens of the tokenizer with SHA-256 {theirs['sha256']}, "
                f"model.tokenizer.checkpoint has {self.sha256}. Give that tokenizer, or make a cache with this one by "
                "`hieramp tokenize`."
            )
        ours = list(self.quantizer.scales.patch_nums)
        if theirs["patch_nums"] != ours:
            raise ValueError(
                f"data.path={str(cache.path)!r} holds tokens for patch_nums {theirs['patch_nums']}, "
                f"model.var.patch_nums is {ours}. Make a cache with these scales by `hieramp tokenize`."
            )

    @torch.no_grad()
    def encode(self, image_BCHW: Tensor) -> Tensor:
        """Tokens, int64, shape ``(B, L)``, of pixels, uint8 in 0…255.

        Raises:
            RuntimeError: Without `load_encoder`.
        """
        if self.vqvae is None:
            raise RuntimeError("The tokenizer's encoder is not loaded: call `load_encoder` before images come.")
        with torch.autocast(image_BCHW.device.type, enabled=False):
            tokens_BL: Tensor = self.vqvae.encode(to_unit_range(image_BCHW, self.quantizer.embedding.weight.dtype))
            return tokens_BL

    @torch.no_grad()
    def teacher_input(self, tokens_BL: Tensor) -> Tensor:
        """Transformer input of the scales 1…K−1, shape ``(B, L − l₀, c)``."""
        with torch.autocast(tokens_BL.device.type, enabled=False):
            input_BLc: Tensor = self.quantizer.teacher_input(tokens_BL)
            return input_BLc


def _leave_out(tokenizer: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    for name in [name for name in state if name.startswith(prefix)]:
        del state[name]


def _put_back(tokenizer: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Loading is strict: what the checkpoint lacks on purpose is what is here already."""
    for name, child in tokenizer.named_children():
        child.state_dict(destination=state, prefix=f"{prefix}{name}.")
