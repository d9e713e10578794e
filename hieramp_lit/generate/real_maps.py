"""What class tokens look at in images that are there already: maps of true tokens, without drawing any.

Legend: ``B`` images · ``L`` tokens of all scales · ``l`` tokens of one scale · ``l₀`` tokens of the first scale · ``c``
latent channels.
"""

import torch
from torch import Tensor

from hieramp_lit.amplify import Amplifier, Maps, no_schedule
from hieramp_lit.var import VAR, exact_convolutions


@torch.no_grad()
def maps_of_tokens(var: VAR, teacher_input_BLc: Tensor, label_B: Tensor) -> Maps:
    """Maps of every class token over given images, at the block before the last, nothing amplified.

    They are what `VARGenerator` records while it makes an image of these tokens, under one label row instead of both
    guidance halves.

    Args:
        var: With class tokens, or there are no maps.
        teacher_input_BLc: From `VQVAE.teacher_input`, shape ``(B, L − l₀, c)``.
        label_B: Label rows, int64, shape ``(B,)``; ``num_classes`` for unconditional.

    Returns:
        ``{(block, scale): (B, l) float32}``; each row sums to 1.
    """
    amplifier = Amplifier(no_schedule(len(var.scales), var.depth), var.class_token_scales)
    first = var.scales.lengths[0]
    with torch.autocast(teacher_input_BLc.device.type, enabled=False), exact_convolutions():
        condition, cache = var.condition(label_B), var.new_cache(len(label_B))
        for k, place in enumerate(var.scales.slices):
            input_Blc = teacher_input_BLc[:, place.start - first : place.stop - first] if k else None
            var.forward_scale(input_Blc, k, condition, cache, amplifier.hooks(k))
    return amplifier.saliency
