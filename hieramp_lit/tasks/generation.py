"""Generation: any generator's images, written as a shard set (`hieramp predict`)."""

from typing import ClassVar

from lightning.pytorch import Callback, LightningModule

from hieramp_lit.callbacks.generation_progress import GenerationProgress
from hieramp_lit.callbacks.shard_writer import ShardWriter
from hieramp_lit.data.batches import PlanBatch
from hieramp_lit.generate.base import Generated, Generator
from hieramp_lit.shards.format import IMAGE_FORMATS, ImageFormat
from hieramp_lit.tasks.precision import refuse_half_weights


class Generation(LightningModule):
    """Makes the images of a `GenerationPlan` and writes them as shards.

    Args:
        generator: What makes the images.
        output: Folder of the set. The same command goes on where it stopped; a folder that holds a set made with
            another configuration is refused.
        save_size: Side in pixels that images are stored with, resized by Lanczos; null keeps the generated size.
        image_format: Lossless file format of the images.
        save_saliency: Store the class tokens' saliency maps of the last amplified block with every image.

    Raises:
        ValueError: If a value is impossible; the message names the key.
    """

    memory_knobs: ClassVar[tuple[str, ...]] = (
        "data.batch_size",
        "trainer.precision: bf16-mixed, which makes another set",
    )

    def __init__(
        self,
        generator: Generator,
        output: str,
        save_size: int | None = None,
        image_format: ImageFormat = "png",
        save_saliency: bool = False,
    ) -> None:
        super().__init__()
        if save_size is not None and save_size < 1:
            raise ValueError(f"model.save_size={save_size}: give a side in pixels, at least 1, or null.")
        if image_format not in IMAGE_FORMATS:
            raise ValueError(f"model.image_format={image_format!r}: expected one of {', '.join(IMAGE_FORMATS)}.")
        if not output:
            raise ValueError("model.output is empty: give the folder to write the set to.")
        self.generator = generator
        self.output = output
        self.save_size = save_size
        self.image_format: ImageFormat = image_format
        self.save_saliency = save_saliency

    def configure_callbacks(self) -> list[Callback]:
        """The shard writer, without which generating would be in vain, and the progress display."""
        writer = ShardWriter(self.generator, self.output, self.save_size, self.image_format, self.save_saliency)
        return [writer, GenerationProgress()]

    def setup(self, stage: str) -> None:
        """Refuse a precision that this task does not run in.

        Raises:
            ValueError: For weights in half precision.
        """
        refuse_half_weights(self.trainer)

    def predict_step(self, batch: PlanBatch, batch_idx: int) -> Generated:
        """Make one micro-batch; the shard writer stores it."""
        seed = int(batch.seed[0])
        return self.generator.generate(batch.row, batch.image_index, seed, record_saliency=self.save_saliency)
