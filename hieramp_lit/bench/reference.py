"""Generation written plainly: what the fast path must equal, and what `hieramp bench generate --baseline` times.

It follows the released code's way (reference §2 to §4): float32 throughout, attention written out, a cache that grows
by concatenation, modulations computed anew at every scale, the batch as given. Only the draw is ours, one uniform
number a token, so that both ways can be compared token by token.

Legend: ``B`` batch (2 × images under guidance) · ``S`` tokens of one scale with its class token · ``l`` without ·
``H`` heads · ``D`` head width · ``C`` width · ``V`` codebook size · ``c`` latent channels · ``h w`` latent side.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from hieramp_lit.amplify import Schedule
from hieramp_lit.amplify.rules import emphasize
from hieramp_lit.amplify.saliency import salient_count, salient_positions
from hieramp_lit.generate.base import Generated
from hieramp_lit.generate.streams import token_uniforms
from hieramp_lit.var import VAR, VQVAE, Sampling, exact_convolutions
from hieramp_lit.var.attention import SelfAttention
from hieramp_lit.var.block import Block, layer_norm, modulate


class PlainGenerator:
    """Generates as `VARGenerator` does, in float32 and without any of its care for speed.

    Args:
        vqvae: Tokenizer, float32.
        var: Transformer, float32.
        sampling: Guidance and filtering.
        schedule: What to amplify.
    """

    def __init__(self, vqvae: VQVAE, var: VAR, sampling: Sampling, schedule: Schedule) -> None:
        self.vqvae = vqvae
        self.var = var
        self.sampling = sampling
        self.schedule = schedule

    @torch.no_grad()
    @exact_convolutions()
    def generate(self, labels_B: Tensor, indices_B: Tensor, seed: int) -> Generated:
        """Images, tokens and ``f_hat``; arguments as for `VARGenerator.generate`."""
        var, quantizer, scales = self.var, self.vqvae.quantize, self.var.scales
        device = labels_B.device
        uniforms_BL = token_uniforms(labels_B, indices_B, seed, scales.total).to(device)
        condition_BC = var.class_emb(torch.cat([labels_B, torch.full_like(labels_B, var.num_classes)]))
        caches: list[tuple[Tensor, Tensor] | None] = [None] * var.depth
        f_hat = torch.zeros(len(labels_B), self.vqvae.z_channels, scales.side, scales.side, device=device)
        tokens = []
        for k, place in enumerate(scales.slices):
            if k == 0:
                x = condition_BC[:, None] + var.pos_start
            else:
                x = var.word_embed(quantizer.next_input(f_hat, k).repeat(2, 1, 1))
            x = x + var.lvl_embed(var.lvl_1L[:, place]) + var.pos_1LC[:, place]
            if k in var.class_token_scales:
                x = torch.cat([x, var.cls_tokens[str(k)].expand(len(x), -1, -1)], dim=1)
            for i, block in enumerate(var.blocks):
                if isinstance(block, Block):
                    x, caches[i] = self._block(block, i, x, condition_BC, caches[i], k)
            scale_shift = modulate(var.head_nm.ada_lin, condition_BC, 2)
            logits_BlV = var.head(var.head_nm(x[:, : scales.lengths[k]], scale_shift))
            strength = self.sampling.cfg * scales.progress(k)
            conditional, unconditional = logits_BlV.chunk(2)
            guided = (1 + strength) * conditional - strength * unconditional
            drawn = draw_plainly(guided, uniforms_BL[:, place], self.sampling)
            tokens.append(drawn)
            f_hat = f_hat + quantizer.contribution(drawn, k)
        image = self.vqvae.decoder(self.vqvae.post_quant_conv(f_hat)).clamp(-1, 1)
        pixels = ((image + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
        return Generated(images=pixels, tokens=torch.cat(tokens, dim=1), f_hat=f_hat)

    def _block(
        self, block: Block, index: int, x_BSC: Tensor, condition_BC: Tensor, cache: tuple[Tensor, Tensor] | None, k: int
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One block, and its keys and values of the spatial tokens up to here."""
        shared = self.var.shared_ada_lin
        shared_B16C = None if shared is None else modulate(shared, condition_BC, 6)
        g1, g2, s1, s2, b1, b2 = block.modulations(condition_BC, shared_B16C).unbind(2)
        attended, cache = self._attention(block.attn, index, layer_norm(x_BSC) * s1 + b1, cache, k)
        x_BSC = x_BSC + attended * g1
        return x_BSC + block.ffn(layer_norm(x_BSC) * s2 + b2) * g2, cache

    def _attention(
        self, attention: SelfAttention, index: int, x_BSC: Tensor, cache: tuple[Tensor, Tensor] | None, k: int
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        B, S, C = x_BSC.shape
        length, heads = self.var.scales.lengths[k], attention.num_heads
        bias = torch.cat([attention.q_bias, attention.zero_k_bias, attention.v_bias])
        qkv = F.linear(x_BSC, attention.mat_qkv.weight, bias).view(B, S, 3, heads, C // heads)
        q, key, value = qkv.permute(2, 0, 3, 1, 4)
        if attention.l2_norm:
            q = F.normalize(q, dim=-1) * attention.scale_mul_1H11.clamp_max(attention.MAX_LOG_SCALE).exp()
            key = F.normalize(key, dim=-1)
        keys, values = key, value
        if cache is not None:
            keys, values = torch.cat([cache[0], key], dim=2), torch.cat([cache[1], value], dim=2)
        start = keys.shape[2] - S
        logits = q @ keys.transpose(2, 3) * attention.softmax_scale
        logits[:, :, length:, :start] = -torch.inf  # a class token sees its own scale alone
        bias_Bl, factor_Bl = None, None
        if length < S and self.schedule.active(k) and index in self.schedule.blocks:
            bias_Bl, factor_Bl = self._emphasis(logits[:, :, length, start : start + length], k)
        if bias_Bl is not None:
            logits[:, :, :length, start : start + length] += bias_Bl[:, None, None]
        weights = logits.softmax(dim=-1)
        if factor_Bl is not None:
            weights[:, :, :length, start : start + length] *= factor_Bl[:, None, None]
        y = attention.proj((weights @ values).transpose(1, 2).reshape(B, S, C))
        return y, (keys[:, :, : start + length], values[:, :, : start + length])

    def _emphasis(self, class_token_logits_BHl: Tensor, k: int) -> tuple[Tensor | None, Tensor | None]:
        schedule = self.schedule
        saliency_Bl = class_token_logits_BHl.softmax(dim=-1).mean(dim=1)
        if schedule.saliency == "unconditional":
            saliency_Bl = saliency_Bl.chunk(2)[1].repeat(2, 1)
        count = salient_count(schedule.rhos[k], saliency_Bl.shape[1], schedule.rounding)
        emphasis = emphasize(
            salient_positions(saliency_Bl, count), schedule.betas[k], schedule.rule, schedule.renormalize
        )
        return emphasis.bias, emphasis.factor


def draw_plainly(logits_BlV: Tensor, uniforms_Bl: Tensor, sampling: Sampling) -> Tensor:
    """Top-k by masking, top-p by sorting all, then the inverse distribution in codebook order; shape ``(B, l)``."""
    logits = logits_BlV.clone()
    if 0 < sampling.top_k < logits.shape[-1]:
        logits[logits < logits.topk(sampling.top_k, dim=-1).values[..., -1:]] = -torch.inf
    if sampling.top_p > 0:
        ascending, order = logits.sort(dim=-1)
        tail = ascending.softmax(dim=-1).cumsum(dim=-1) <= 1 - sampling.top_p
        tail[..., -1] = False
        logits = logits.masked_fill(tail.scatter(-1, order, tail), -torch.inf)
    cumulative = logits.softmax(dim=-1).double().cumsum(dim=-1)
    threshold = (uniforms_Bl * cumulative[..., -1])[..., None]
    drawn: Tensor = (cumulative <= threshold).sum(dim=-1)
    return drawn
