"""Images from VAR, amplified or not: the loop over scales.

Legend: ``B`` images · ``L`` tokens of all scales · ``l`` tokens of one scale · ``V`` codebook size · ``c`` latent
channels · ``h w`` latent side · ``H W`` pixels.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hieramp_lit.amplify import Amplification, Amplifier, Maps, no_schedule
from hieramp_lit.classes import ClassList
from hieramp_lit.generate.base import Generated
from hieramp_lit.generate.execution import Compile, CudaGraph, check_compile, compiled
from hieramp_lit.generate.memory import MOST_ON_CPU, bytes_per_image, decoding_bytes, fitting_batch_size, free_bytes
from hieramp_lit.generate.streams import token_uniforms
from hieramp_lit.generate.workspace import Workspace
from hieramp_lit.var import (
    VAR,
    VQVAE,
    KnownClasses,
    Sampling,
    check_pair,
    draw,
    exact_convolutions,
    filtered_weights,
    guide,
    var_in,
    vqvae_in,
)
from hieramp_lit.var.block import Block
from hieramp_lit.var.packed import can_pack
from hieramp_lit.var.transformer import RunBlock


class VARGenerator(nn.Module):
    """Generator of VAR with optional class tokens and amplification (HIERAMP, Sec. 3.4).

    Args:
        vqvae: Tokenizer; its decoder makes the image. It and `var` stay as they are; their weights are taken as they
            are now. What is not cast is shared with them: a move of the generator to another device moves it too.
        var: Transformer on that tokenizer's tokens.
        sampling: Guidance and filtering.
        amplification: What to amplify; None for the plain sampler.
        weights: SHA-256 of the weight files by role, for provenance.
        dtype: Precision of the transformer blocks and the decoder: float32, bfloat16 or float16. Saliency, guidance,
            filtering and drawing are in float32 or float64 always.
        compile: How blocks and decoder are executed, see `generate.execution`.
        decode_batch_size: Images decoded at once, at least 1; bounds the memory of the decoder.
        classes: What is known about the classes of the rows.

    Raises:
        ValueError: If tokenizer and transformer do not belong together, the amplification does not fit the model, or a
            value is impossible.
    """

    def __init__(
        self,
        vqvae: VQVAE,
        var: VAR,
        sampling: Sampling = Sampling(),  # noqa: B008 (frozen)
        amplification: Amplification | None = None,
        weights: Mapping[str, str] | None = None,
        dtype: torch.dtype = torch.float32,
        compile: Compile = "none",
        decode_batch_size: int = 8,
        classes: KnownClasses = KnownClasses(),  # noqa: B008 (frozen)
    ) -> None:
        super().__init__()
        check_pair(vqvae, var)
        if decode_batch_size < 1:
            raise ValueError(f"decode_batch_size={decode_batch_size}: give at least 1.")
        self.vqvae = vqvae.eval()
        self.var = var.eval()
        self.sampling = sampling
        self.schedule = no_schedule(len(var.scales), var.depth)
        if amplification is not None:
            self.schedule = amplification.schedule(var.scales, var.depth, var.class_token_scales)
        self.weights = dict(weights or {})
        self.decode_batch_size = decode_batch_size
        self._known_classes = classes
        self._packed = False
        self._ready: tuple[Hashable, Workspace, Callable[[], None]] | None = None
        self.execute(dtype, compile)

    @property
    def name(self) -> str:
        """``hieramp`` when something is amplified, else ``var``."""
        return "var" if self.schedule.off else "hieramp"

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the transformer blocks and the decoder."""
        return self.var.compute_dtype

    def execute(self, dtype: torch.dtype, compile: Compile = "none") -> None:
        """Choose precision and execution, see the arguments of the class; before the first image.

        Raises:
            ValueError: If a value is impossible, or the weights were rounded to another precision or used before.
        """
        if dtype not in (torch.float32, torch.bfloat16, torch.float16):
            raise ValueError(f"dtype={dtype}: blocks and decoder compute in float32, bfloat16 or float16.")
        if self.dtype not in (torch.float32, dtype):
            raise ValueError(f"dtype={dtype}: the weights were rounded to {self.dtype} before. Load them again.")
        check_compile(compile)
        if self._ready is not None:
            if (dtype, compile) != (self.dtype, self.compile_mode):
                raise ValueError("This generator has made images already: make another one to execute it otherwise.")
            return
        self.compile_mode: Compile = compile
        self.var = var_in(self.var, dtype)
        self.vqvae = vqvae_in(self.vqvae, dtype)
        self._run_block: RunBlock = compiled(Block.forward_scale, compile)
        self._decode_features = compiled(self.vqvae.decode_features, compile)

    def identity(self) -> dict[str, Any]:
        """Weights' SHA-256, sampling, the schedule (None when nothing is amplified), blocks of the maps, tokens.

        The last, sides of the token maps and codebook size, follow from the weights; readers of the set have only this.
        """
        return {
            "weights": self.weights,
            "sampling": asdict(self.sampling),
            "schedule": None if self.schedule.off else self.schedule.to_json(),
            "saliency_blocks": list(self.schedule.blocks),
            "tokens": {"patch_nums": list(self.var.scales.patch_nums), "vocab_size": self.var.vocab_size},
        }

    def check_classes(self, classes: ClassList) -> None:
        """Refuse a plan whose class rows mean other classes than the weights were tuned on.

        Raises:
            ValueError: Naming the rows that differ.
        """
        self._known_classes.check_plan(classes)

    def fitting_batch_size(self, most: int) -> int:
        """Images that fit into the free memory of the model's device with a margin, at most `most`; 16 on a CPU.

        Raises:
            ValueError: If not even one fits.
        """
        device = self.var.head.weight.device
        decoding = decoding_bytes(self.vqvae, self.dtype, min(self.decode_batch_size, most))
        limit = min(most, MOST_ON_CPU) if device.type == "cpu" else most
        return fitting_batch_size(bytes_per_image(self.var), decoding, free_bytes(device), limit)

    @torch.no_grad()
    def generate(self, labels_B: Tensor, indices_B: Tensor, seed: int, record_saliency: bool = False) -> Generated:
        """Generate one image for each (class row, index) under `seed`.

        Args:
            labels_B: Class rows in ``[0, num_classes)``, int64, shape ``(B,)``.
            indices_B: Index of each image within its class, int64, shape ``(B,)``.
            seed: The set's seed.
            record_saliency: Also return the class tokens' maps at the amplified blocks (with amplification off: at the
                block before the last) for all scales with a class token. Changes no bit of the images.

        Returns:
            Images, tokens and ``f_hat``; maps and masks when asked.

        Raises:
            ValueError: For a class row that the model does not have.
        """
        var = self.var
        if not len(labels_B) or not 0 <= int(labels_B.min()) <= int(labels_B.max()) < var.num_classes:
            raise ValueError(f"Class rows {sorted(set(labels_B.tolist()))}: this VAR has 0 to {var.num_classes - 1}.")
        uniforms_BL = token_uniforms(labels_B, indices_B, seed, var.scales.total)
        B = len(labels_B)
        with torch.autocast(var.head.weight.device.type, enabled=False), exact_convolutions():
            workspace, sample = self._prepared(B, record_saliency)
            workspace.take(labels_B, uniforms_BL)
            sample()
            images = self._decode(workspace.f_hat[:B])
        amplifier = workspace.amplifier
        return Generated(
            images=images,
            tokens=workspace.tokens_BL[:B].clone(),
            f_hat=workspace.f_hat[:B].clone(),
            saliency=_of_first(B, amplifier.saliency) if record_saliency else None,
            masks=_of_first(B, amplifier.masks) if record_saliency else None,
        )

    def release(self) -> None:
        """Free the memory that batches use again; the next batch takes it anew."""
        self._ready = None  # it refers back to this generator, so that nothing else would free it soon

    def _sample(self, workspace: Workspace) -> None:
        """Fill the tokens and ``f_hat`` of the workspace, scale by scale, without waiting for the device."""
        var, quantizer, scales, sampling = self.var, self.vqvae.quantize, self.var.scales, self.sampling
        condition = var.condition(workspace.labels_2B)
        workspace.f_hat.zero_()
        features_Blc: Tensor | None = None
        for k, place in enumerate(scales.slices):
            if k > 0:
                features_Blc = quantizer.next_input(workspace.f_hat, k).repeat(2, 1, 1)
            hooks = workspace.amplifier.hooks(k)
            logits = var.forward_scale(features_Blc, k, condition, workspace.cache, hooks, self._run_block)
            conditional_BlV, unconditional_BlV = logits.chunk(2)
            guided_BlV = guide(conditional_BlV, unconditional_BlV, sampling.cfg * scales.progress(k))
            weights_BlV = filtered_weights(guided_BlV, top_k=sampling.top_k, top_p=sampling.top_p)
            tokens_Bl = draw(weights_BlV, workspace.uniforms_BL[:, place])
            workspace.tokens_BL[:, place] = tokens_Bl
            workspace.f_hat += quantizer.contribution(tokens_Bl, k)

    def _decode(self, f_hat: Tensor) -> Tensor:
        """Pixels of all images, a few at a time."""
        return torch.cat([to_uint8(self._decode_features(part)) for part in torch.split(f_hat, self.decode_batch_size)])

    def _prepared(self, batch: int, record_saliency: bool) -> tuple[Workspace, Callable[[], None]]:
        """Memory for batches of this kind and what samples in it; both are used again until another kind comes.

        A recorded graph also takes fewer images than it was recorded for: to record another takes longer than they do.
        """
        kind = (record_saliency, self.var.head.weight.device)
        if self._ready is not None and self._ready[0] == kind:
            held = self._ready[1].batch
            if held == batch or (held > batch and self.compile_mode == "cuda-graphs"):
                return self._ready[1:]
        self._ready = None  # frees the memory of the former kind first
        # What is made under inference mode could not be used outside of it.
        with torch.inference_mode(False), torch.no_grad():
            if not self._packed and self.compile_mode == "none" and can_pack(kind[1], self.dtype):
                self.var.pack()  # now, because the model may have been moved since it was made
                self._packed = True
            amplifier = Amplifier(self.schedule, self.var.class_token_scales if record_saliency else ())
            workspace = Workspace(self.var, batch, amplifier)
            sample: Callable[[], None] = partial(self._sample, workspace)
            if self.compile_mode == "cuda-graphs":
                sample = CudaGraph(sample, kind[1])
        self._ready = (kind, workspace, sample)
        return workspace, sample


def _of_first(images: int, maps: Maps) -> Maps:
    """Copies of both guidance halves' maps of the first images; each map has the shape ``(2B, …)``."""
    return {place: torch.cat([half[:images] for half in tensor.chunk(2)]) for place, tensor in maps.items()}


def to_uint8(image_BCHW: Tensor) -> Tensor:
    """Image in [-1, 1], ``(B, 3, H, W)``, to uint8 pixels ``(B, H, W, 3)``, rounded to the nearest."""
    pixels = image_BCHW.float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous()
