"""HIERAMP's generation: a tuned VAR with amplified class-token attention, from its weight files (`hieramp predict`)."""

import time
from typing import ClassVar

import torch
from lightning.pytorch.utilities import rank_zero_info

from hieramp_lit.amplify import Amplification
from hieramp_lit.checkpoints import resolve, weights_sha256
from hieramp_lit.data.batches import PlanBatch
from hieramp_lit.generate.base import Generated
from hieramp_lit.generate.execution import Compile, check_compile
from hieramp_lit.generate.var import VARGenerator
from hieramp_lit.shards.format import ImageFormat
from hieramp_lit.tasks.generation import Generation
from hieramp_lit.tasks.precision import compute_dtype
from hieramp_lit.tasks.tokenizer_of import refuse_another_tokenizer
from hieramp_lit.var import Sampling, Tokenizer, known_classes, load_var


class AmplifiedGeneration(Generation):
    """Makes a distilled set with VAR (HIERAMP, Sec. 3.4), amplified or plain.

    Everything that shapes the images is an argument here and nothing is taken from what a checkpoint stores besides
    its weights, so a sweep over β means what it says.

    Args:
        checkpoint: Weights of the VAR with tuned class tokens: a path to .pth, .ckpt or .safetensors, ``hf://…`` or
            ``asset://…``.
            All sizes are read from it.
        tokenizer: The tokenizer that the VAR was trained on.
        output: Folder of the set. The same command goes on where it stopped; a folder that holds a set made with
            another configuration is refused.
        sampling: Guidance and filtering.
        amplification: What to amplify; null generates with the plain sampler.
        save_size: Side in pixels that images are stored with, resized by Lanczos (the paper: 256 to 224); null keeps
            the generated size.
        image_format: Lossless file format of the images.
        save_saliency: Store the class tokens' saliency maps of the last amplified block with every image.
        num_heads: Attention heads; only for weights without L2-normalized attention, whose file does not tell them.
        compile: `none`; `default` or `max-autotune` (torch.compile); `cuda-graphs` (kernels of a batch recorded once
            and replayed: small batches on a GPU). All but `none` take a while at the first batch.
        decode_batch_size: Images decoded at once; bounds the decoder's memory.

    Raises:
        FileNotFoundError: If a weight file does not exist.
        ValueError: If weights, tokenizer and amplification do not fit each other, or a value is impossible. When the
            set is begun, if its class rows were tuned as other classes.
    """

    memory_knobs: ClassVar[tuple[str, ...]] = ("model.decode_batch_size", *Generation.memory_knobs)

    def __init__(
        self,
        checkpoint: str,
        tokenizer: Tokenizer,
        output: str,
        sampling: Sampling = Sampling(),  # noqa: B008 (frozen)
        amplification: Amplification | None = Amplification(),  # noqa: B008 (frozen)
        save_size: int | None = None,
        image_format: ImageFormat = "png",
        save_saliency: bool = False,
        num_heads: int | None = None,
        compile: Compile = "none",
        decode_batch_size: int = 8,
    ) -> None:
        check_compile(compile, key="model.compile")
        var = load_var(checkpoint, num_heads=num_heads, key="model.checkpoint")
        vqvae = tokenizer.load(var.scales)
        refuse_another_tokenizer(checkpoint, tokenizer.sha256(), vqvae.quantize)
        generator = VARGenerator(
            vqvae=vqvae,
            var=var,
            sampling=sampling,
            amplification=amplification,
            weights={"var": weights_sha256(resolve(checkpoint, key="model.checkpoint")), "vqvae": tokenizer.sha256()},
            decode_batch_size=decode_batch_size,
            classes=known_classes(checkpoint, key="model.checkpoint", num_classes=var.num_classes),
        )
        super().__init__(generator, output, save_size, image_format, save_saliency)
        self._var_generator = generator
        self._compile: Compile = compile

    def setup(self, stage: str) -> None:
        """Bring the generator into the trainer's precision.

        Raises:
            ValueError: For a precision that generation does not run in.
        """
        self._var_generator.execute(compute_dtype(self.trainer), self._compile)

    def predict_step(self, batch: PlanBatch, batch_idx: int) -> Generated:
        """Make one micro-batch; tell what compiling cost at the first."""
        if batch_idx > 0 or self._compile == "none":
            return super().predict_step(batch, batch_idx)
        rank_zero_info(f"model.compile={self._compile}: the first batch compiles, which takes a minute or more …")
        start = time.perf_counter()
        generated = super().predict_step(batch, batch_idx)
        if generated.images.is_cuda:
            torch.cuda.synchronize(generated.images.device)
        rank_zero_info(f"model.compile={self._compile}: the first batch took {time.perf_counter() - start:.0f} s.")
        return generated
