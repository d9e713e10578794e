"""Images to tokens, for sets that store none.

Legend: ``B`` batch · ``L`` tokens of all scales · ``S`` side in pixels.
"""

import torch
from torch import Tensor

from hieramp_lit.analysis.token_maps import TokenMaps
from hieramp_lit.var import VQVAE


class ImageEncoder:
    """A tokenizer that encodes images as in tuning: in float32 under any autocast.

    Args:
        vqvae: The tokenizer, with its weights.
        sha256: Of the weights.
        device: Where to encode.
        batch_size: Images at once; results do not depend on it, save rounding.

    Attributes:
        side: S.
        batch_size: As given.
        sha256: As given.
        maps: What its tokens mean.

    Raises:
        ValueError: If `batch_size` is below 1.
    """

    def __init__(self, vqvae: VQVAE, sha256: str, device: torch.device, batch_size: int = 16) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size} must be at least 1.")
        self._vqvae = vqvae.to(device).eval()
        self._device = device
        self.side = vqvae.image_size
        self.batch_size = batch_size
        self.sha256 = sha256
        self.maps = TokenMaps(vqvae.scales, vqvae.vocab_size)

    @torch.no_grad()
    def __call__(self, image_BCSS: Tensor) -> Tensor:
        """Tokens, int64, shape ``(B, L)``, of pixels, uint8 in 0…255, shape ``(B, 3, S, S)``."""
        from hieramp_lit.data.pixels import to_unit_range  # here: Lightning, beside it, takes seconds to import

        with torch.autocast(self._device.type, enabled=False):
            tokens_BL: Tensor = self._vqvae.encode(to_unit_range(image_BCSS.to(self._device)))
        return tokens_BL.cpu()
