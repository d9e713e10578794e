"""How many floating-point operations an image costs; a multiplication and an addition are two.

Counted is what multiplies matrices or convolves; norms, activations, softmax and sampling are left out, as usual.
"""

import torch
from torch.utils.flop_counter import FlopCounterMode

from hieramp_lit.var import VAR, VQVAE, VARArchitecture, VQVAEArchitecture


def image_flops(architecture: VARArchitecture, tokenizer: VQVAEArchitecture, class_tokens: bool) -> float:
    """One image with guidance: both halves through the transformer, then the decoder."""
    with torch.device("meta"):
        var = architecture.build(class_token_scales=None if class_tokens else ())
        vqvae = tokenizer.build(var.scales).eval()
    return 2 * sequence_flops(var) + decoder_flops(vqvae)


def sequence_flops(var: VAR) -> float:
    """One sequence of all scales through the transformer, scale by scale over a cache."""
    width, scales = var.embed_dim, var.scales
    tokens, seen = scales.total, 0
    for k, (length, place) in enumerate(zip(scales.lengths, scales.slices, strict=True)):
        own = int(k in var.class_token_scales)
        tokens += own
        seen += length * (place.stop + own) + own * (length + 1)  # a class token sees its own scale only
    matrices = 2 * tokens * 12 * width**2  # queries, keys, values, projection, and four times as wide and back
    attention = 4 * seen * width
    modulations = 2 * 6 * width**2
    shared = var.shared_ada_lin is not None
    blocks = var.depth * (matrices + attention + (0 if shared else modulations)) + (modulations if shared else 0)
    ends = 2 * width * (2 * width + scales.total * var.vocab_size + (scales.total - scales.lengths[0]) * var.z_channels)
    return float(blocks + ends)


def decoder_flops(vqvae: VQVAE) -> float:
    """One feature through the decoder, by torch's counter; the model lies on the meta device."""
    counter = FlopCounterMode(display=False)
    side = vqvae.scales.side
    with counter, torch.no_grad():
        vqvae.decode_features(torch.empty(1, vqvae.z_channels, side, side, device="meta"))
    return float(counter.get_total_flops())
