"""Stores what a generation task makes as a shard set, so that a killed run can go on where it stopped."""

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info

from hieramp_lit.data.batches import PlanBatch
from hieramp_lit.data.plan import GenerationPlan
from hieramp_lit.generate.base import CountsImages, Generated, Generator, KnowsClasses
from hieramp_lit.shards.encode import encode_sample
from hieramp_lit.shards.folder import check_folder, claim_folder, complete_shards, finished_shards
from hieramp_lit.shards.format import MANIFEST, ImageFormat
from hieramp_lit.shards.identity import identity_hash, provenance, set_identity
from hieramp_lit.shards.index import finish_set
from hieramp_lit.shards.lock import FolderLock, join_folder
from hieramp_lit.shards.reader import ShardSet
from hieramp_lit.shards.saliency import stack_saliency
from hieramp_lit.shards.write_errors import KEPT, READ_ONLY, explained
from hieramp_lit.shards.writer import ShardFile, ShardRecord

_MOST_ENCODERS = 8

Encoded = tuple[str, Future[dict[str, bytes]]]
"""Key of a sample, and its fields once a thread has encoded them."""


class ShardWriter(Callback):
    """Writes the images of `hieramp predict`, shard by shard, and the index of the set at the end.

    Images are encoded and written in threads while the next batch is generated; memory holds two batches at most, and
    what a thread fails at is raised at the next batch or at the end. A shard appears under its name only when it is
    complete. Every rank writes shards of its own; rank 0 writes the index.

    Args:
        generator: What makes the images, for the set's identity and the samples' provenance.
        output: Folder of the set; created, or continued if it holds a part of the same set.
        save_size: Stored side in pixels; None keeps the generated size.
        image_format: ``png`` or ``webp``, both lossless.
        save_saliency: Store saliency maps with every sample.
    """

    def __init__(
        self,
        generator: Generator,
        output: str,
        save_size: int | None = None,
        image_format: ImageFormat = "png",
        save_saliency: bool = False,
    ) -> None:
        self.folder = Path(output).expanduser()
        self._generator = generator
        self._save_size = save_size
        self._image_format = image_format
        self._save_saliency = save_saliency
        self._identity: dict[str, Any] = {}
        self._lock: FolderLock | None = None
        self._sizes: list[int] = []  # of the complete shards that this rank knows of, in bytes
        self._num_shards = 0
        self._encoders: ThreadPoolExecutor | None = None
        self._writer: ThreadPoolExecutor | None = None
        self._shard: ShardFile | None = None  # the writing thread's, while it works
        self._written: Future[None] | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check and claim the folder, and tell the plan which shards are complete. Runs before the loader is made.

        Raises:
            ValueError: If the data is no `GenerationPlan`, the generator knows other classes or has too few images of
                some, the folder holds something else than a part of this set, or another command is writing it.
            OSError: If the folder cannot be written.
        """
        plan = plan_of(trainer)
        trainer.predict_loop.return_predictions = False  # the images are on disk: memory must not keep them as well
        if isinstance(self._generator, KnowsClasses):
            self._generator.check_classes(plan.classes)
        if isinstance(self._generator, CountsImages):
            self._generator.check_images_per_class(plan.classes, plan.plan.images_per_class)
        self._identity = set_identity(
            generator=self._generator.name,
            configuration=self._generator.identity(),
            classes=plan.classes,
            images_per_class=plan.plan.images_per_class,
            shard_size=plan.plan.shard_size,
            seed=plan.plan.seed,
            save_size=self._save_size,
            image_format=self._image_format,
            save_saliency=self._save_saliency,
            precision=str(trainer.precision),
        )
        check_folder(self.folder, self._identity)
        complete = [record.shard for record in self._claim(plan.plan.num_shards)] if trainer.is_global_zero else []
        complete = trainer.strategy.broadcast(complete)  # ranks must agree on what remains
        if not trainer.is_global_zero:
            with self._explained():
                self._lock = join_folder(self.folder, writes=len(complete) < plan.plan.num_shards)
        plan.skip(complete)
        if complete:
            rank_zero_info(f"{self.folder}: {len(complete)} of {plan.plan.num_shards} shards are complete, going on.")

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the threads: several that encode, one that writes, in order."""
        self._encoders = ThreadPoolExecutor(min(_MOST_ENCODERS, os.cpu_count() or 1), thread_name_prefix="encode")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="write")

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Generated,
        batch: PlanBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Hand one batch to the threads, once they are done with the one before.

        Raises:
            ValueError: If the generator's answer does not fit the batch.
            OSError: If the disk is full; complete shards stay.
        """
        if self._encoders is None or self._writer is None:
            raise RuntimeError("ShardWriter got a batch before on_predict_start.")
        plan = plan_of(trainer)
        shard, last = int(batch.shard[0]), int(batch.position[-1])
        samples = self._encode(plan, outputs, batch, self._encoders)
        self._wait_for_writer()
        complete = last == len(plan.plan.positions(shard)) - 1
        self._written = self._writer.submit(self._write, shard, samples, complete)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the index once all ranks are done and all shards are there, and say where the set is.

        Raises:
            OSError: If the disk is full; complete shards stay.
        """
        self._wait_for_writer()
        self._close()
        if not trainer.is_global_zero:
            self._release()  # before rank 0, which removes the lock's file at last
        trainer.strategy.barrier("shards")
        if trainer.is_global_zero:
            self._finish(plan_of(trainer))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give up the open shard; the only hook that Lightning calls after a failure."""
        self._close()
        self._release()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Let go of the folder."""
        self._release()

    def _claim(self, num_shards: int) -> list[ShardRecord]:
        """Hold the folder and make it ours (rank 0); a finished set may be on a read-only disk, nothing is written."""
        with self._explained():
            try:
                self._lock = FolderLock(self.folder, first=True)
            except OSError as error:
                finished = finished_shards(self.folder, self._identity, num_shards)
                if finished is None or error.errno not in READ_ONLY:
                    raise
                return finished
            records = claim_folder(self.folder, self._identity, num_shards)
        self._sizes = [record.bytes for record in records]
        self._num_shards = num_shards
        return records

    def _write(self, shard: int, samples: Sequence[Encoded], complete: bool) -> None:
        """Append a batch to its shard, and close the shard after its last image; runs in the writing thread."""
        with self._explained():
            if self._shard is None:
                self._shard = ShardFile(self.folder, shard, identity_hash(self._identity))
            for key, fields in samples:
                self._shard.add(key, fields.result())
            if complete:
                self._sizes.append(self._shard.commit().bytes)
                self._shard = None

    def _wait_for_writer(self) -> None:
        """Wait until the batch before is written, and raise what went wrong with it."""
        written, self._written = self._written, None
        if written is not None:
            written.result()

    def _encode(
        self, plan: GenerationPlan, generated: Generated, batch: PlanBatch, encoders: ThreadPoolExecutor
    ) -> list[Encoded]:
        """Give a batch to the encoding threads; keys and what they will answer, in order."""
        count = len(batch.row)
        if generated.images.shape[0] != count:
            raise ValueError(
                f"The generator {self._generator.name!r} was asked for {count} images and gave "
                f"{tuple(generated.images.shape)}; expected ({count}, H, W, 3)."
            )
        images = generated.images.cpu().numpy()
        tokens = None if generated.tokens is None else generated.tokens.cpu().numpy()
        saliency = stack_saliency(generated.saliency or {}).numpy() if self._save_saliency else None
        samples: list[Encoded] = []
        for place, (cls, index) in enumerate(zip(batch.cls.tolist(), batch.image_index.tolist(), strict=True)):
            origin = provenance(self._identity, plan.classes.entries[cls], index)
            future = encoders.submit(
                encode_sample,
                images[place],
                cls,
                origin,
                image_format=self._image_format,
                save_size=self._save_size,
                tokens=None if tokens is None else tokens[place],
                saliency=None if saliency is None else saliency[place],
            )
            samples.append((origin["key"], future))
        return samples

    def _close(self) -> None:
        """Stop the threads and remove an unfinished shard; a run cut short by ``limit_predict_batches`` has one too."""
        if self._writer is not None:
            self._writer.shutdown()  # what was handed over is written: after a failure no complete shard is lost
        if self._encoders is not None:
            self._encoders.shutdown(cancel_futures=True)
        self._encoders = self._writer = self._written = None
        if self._shard is not None:
            self._shard.abort()
            self._shard = None

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _finish(self, plan: GenerationPlan) -> None:
        records = complete_shards(self.folder, plan.plan.num_shards, self._identity)
        if len(records) < plan.plan.num_shards:
            rank_zero_info(
                f"{self.folder}: {len(records)} of {plan.plan.num_shards} shards are complete. "
                "Run the same command again to go on."
            )
            return
        if not (self.folder / MANIFEST).is_file():
            with self._explained():
                finish_set(self.folder, self._identity, plan.classes, records)
        rank_zero_info(describe(ShardSet.open(self.folder)))

    def _explained(self) -> AbstractContextManager[None]:
        """Tell what a failed write means for the set, and about how much room the rest of it takes."""
        missing = self._num_shards - len(self._sizes)
        needed = sum(self._sizes) * missing // len(self._sizes) if self._sizes else None
        return explained(self.folder, key="model.output", kept=KEPT, needed=needed)


def describe(shard_set: ShardSet) -> str:
    """Say where a set is and what it holds."""
    manifest = shard_set.manifest
    size = sum(record.bytes for record in manifest.shards) / 2**20
    return (
        f"The set is complete: {shard_set.path}\n"
        f"  {len(shard_set)} images: {len(shard_set.classes)} classes × {manifest.images_per_class} images "
        f"by {manifest.generator}, seed {manifest.seed}\n"
        f"  {len(manifest.shards)} shard(s), {size:.1f} MiB, identity {manifest.identity_hash[:12]}\n"
        f"  look at {shard_set.path / 'contact_sheet.png'}"
    )


def plan_of(trainer: Trainer) -> GenerationPlan:
    """The generation plan that the trainer runs.

    Raises:
        ValueError: If its data is something else.
    """
    data = getattr(trainer, "datamodule", None)  # set by Lightning, declared nowhere
    if not isinstance(data, GenerationPlan):
        raise ValueError(
            f"Generation needs the data module GenerationPlan, got {type(data).__name__}. In YAML: "
            "`data: {class_path: GenerationPlan, init_args: {classes: …}}`; in Python: "
            "`trainer.predict(task, datamodule=GenerationPlan(…))`."
        )
    return data
