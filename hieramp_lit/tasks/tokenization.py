"""Encoding a data set once: images to tokens, written as a token cache (`hieramp tokenize`)."""

from typing import ClassVar

from lightning.pytorch import Callback, LightningModule
from torch import Tensor

from hieramp_lit.callbacks.token_writer import TokenWriter
from hieramp_lit.data.batches import TokenizationBatch
from hieramp_lit.data.tokens.cache import MOST_CODES
from hieramp_lit.tasks.frozen_tokenizer import FrozenTokenizer
from hieramp_lit.tasks.precision import refuse_half_weights
from hieramp_lit.var import Scales, Tokenizer


class Tokenization(LightningModule):
    """Encodes the images of a `TokenizationPlan` and writes their tokens, for `TokenDataModule`.

    The encoder computes in float32 whatever the precision, as in tuning from images.

    Args:
        tokenizer: The tokenizer.
        output: Folder of the cache. The same command goes on where it stopped; a folder that holds tokens made in
            another way is refused.
        patch_nums: Sides of the token maps, coarse to fine; those of the VAR that will be tuned.

    Raises:
        ValueError: If the codebook has more than 65536 codes, or `output` is empty.
        FileNotFoundError: If there is no such tokenizer.
    """

    memory_knobs: ClassVar[tuple[str, ...]] = ("data.batch_size",)

    def __init__(
        self,
        tokenizer: Tokenizer,
        output: str,
        patch_nums: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16),
    ) -> None:
        super().__init__()
        if not output:
            raise ValueError("model.output is empty: give the folder to write the cache to.")
        self.tokenizer = FrozenTokenizer(tokenizer, Scales(patch_nums))
        codes = self.tokenizer.quantizer.vocab_size
        if codes > MOST_CODES:
            raise ValueError(
                f"model.tokenizer.checkpoint has {codes} codes; tokens are kept as uint16, which tells {MOST_CODES} "
                "apart. Tune from images, or use a smaller codebook."
            )
        self.image_size = self.tokenizer.load_encoder().image_size
        self.output = output

    def configure_callbacks(self) -> list[Callback]:
        """The writer, without which encoding would be in vain."""
        frozen, scales = self.tokenizer, self.tokenizer.quantizer.scales
        decides = {"sha256": frozen.sha256, "patch_nums": list(scales.patch_nums)}
        return [TokenWriter(self.output, decides, scales.total, self.image_size)]

    def setup(self, stage: str) -> None:
        """Refuse a precision that this task does not run in.

        Raises:
            ValueError: For weights in half precision.
        """
        refuse_half_weights(self.trainer)

    def predict_step(self, batch: TokenizationBatch, batch_idx: int) -> Tensor:
        """Tokens of one batch, int64, shape ``(B, L)``; the writer stores them."""
        return self.tokenizer.encode(batch.image)
