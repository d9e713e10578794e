"""HIERAMP's generation: a tuned VAR with amplified class-token attention, from its weight files (`hieramp predict`)."""

from hieramp_lit.amplify import Amplification
from hieramp_lit.checkpoints import resolve
from hieramp_lit.files import sha256
from hieramp_lit.generate.var import VARGenerator
from hieramp_lit.shards.format import ImageFormat
from hieramp_lit.tasks.generation import Generation
from hieramp_lit.var import Sampling, Tokenizer, load_var


class AmplifiedGeneration(Generation):
    """Makes a distilled set with VAR (HIERAMP, Sec. 3.4), amplified or plain.

    Everything that shapes the images is an argument here and nothing is taken from what a checkpoint stores besides
    its weights, so a sweep over β means what it says.

    Args:
        checkpoint: Weights of the VAR with tuned class tokens: a path to .pth, .ckpt or .safetensors, or ``asset://…``.
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

    Raises:
        FileNotFoundError: If a weight file does not exist.
        ValueError: If weights, tokenizer and amplification do not fit each other, or a value is impossible.
    """

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
    ) -> None:
        var = load_var(checkpoint, num_heads=num_heads, key="model.checkpoint")
        generator = VARGenerator(
            vqvae=tokenizer.load(var.scales),
            var=var,
            sampling=sampling,
            amplification=amplification,
            weights={"var": sha256(resolve(checkpoint, key="model.checkpoint")), "vqvae": tokenizer.sha256()},
        )
        super().__init__(generator, output, save_size, image_format, save_saliency)
