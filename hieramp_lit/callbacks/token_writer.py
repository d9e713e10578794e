"""Stores what `hieramp tokenize` encodes as a token cache, so that a killed run can go on where it stopped."""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from numpy.typing import NDArray
from torch import Tensor

from hieramp_lit.data.batches import TokenizationBatch
from hieramp_lit.data.tokens.cache import TokenCache, TokenShardRecord
from hieramp_lit.data.tokens.folder import (
    INDEX_FILES,
    check_folder,
    claim_folder,
    complete_shards,
    finish_cache,
    finished_shards,
    write_shard,
)
from hieramp_lit.data.tokens.plan import RemainingTokenShards, TokenizationPlan
from hieramp_lit.shards.lock import FolderLock, join_folder
from hieramp_lit.shards.write_errors import KEPT, READ_ONLY, explained


class TokenWriter(Callback):
    """Writes tokens shard by shard, and the index of the cache at the end.

    A shard is kept in memory until it is whole, and appears under its name only then. Every rank writes shards of its
    own; rank 0 writes the index.

    Args:
        output: Folder of the cache; created, or continued if it holds a part of the same cache.
        tokenizer: What decides the tokens of an image: the tokenizer's SHA-256 and scales, as plain values.
        tokens_per_sample: ``L``.
        image_size: Side of the tokenizer's images in pixels.
    """

    def __init__(self, output: str, tokenizer: Mapping[str, Any], tokens_per_sample: int, image_size: int) -> None:
        self.folder = Path(output).expanduser()
        self._tokenizer = dict(tokenizer)
        self._tokens_per_sample = tokens_per_sample
        self._image_size = image_size
        self._identity: dict[str, Any] = {}
        self._lock: FolderLock | None = None
        self._tokens: NDArray[np.uint16] | None = None
        self._labels: NDArray[np.int64] | None = None
        self._start = 0.0
        self._encoded = 0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check and claim the folder, and tell the plan which shards are complete. Runs before the loader is made.

        Raises:
            ValueError: If the data is no `TokenizationPlan`, the images have another size than the tokenizer's, the
                folder holds something else than a part of this cache, or another command is writing it.
            OSError: If the folder cannot be written.
        """
        plan = plan_of(trainer)
        trainer.predict_loop.return_predictions = False  # the tokens are on disk: memory must not keep them as well
        if plan.image_size() != self._image_size:
            raise ValueError(
                f"data.images gives images of {plan.image_size()} pixels, tokenizer and model.patch_nums take "
                f"{self._image_size}. Change `data.images.init_args.image_size` or `model.patch_nums`."
            )
        self._identity = {"tokenizer": self._tokenizer, "image_size": self._image_size, **plan.identity()}
        check_folder(self.folder, self._identity)
        complete: list[int] = []
        if trainer.is_global_zero:
            done = {record.name for record in self._claim(plan)}
            complete = [number for number, shard in enumerate(plan.layout.shards) if shard.name in done]
        complete = trainer.strategy.broadcast(complete)  # ranks must agree on what remains
        if not trainer.is_global_zero:
            with self._explained():
                self._lock = join_folder(self.folder, writes=len(complete) < len(plan.layout.shards))
        plan.skip(complete)
        if complete:
            rank_zero_info(
                f"{self.folder}: {len(complete)} of {len(plan.layout.shards)} shards are complete, going on."
            )

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start, self._encoded = time.monotonic(), 0

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Tensor,
        batch: TokenizationBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the tokens of one batch; after the last of a shard, write it.

        Raises:
            OSError: If the disk is full; complete shards stay.
        """
        plan = plan_of(trainer)
        shard = plan.layout.shards[batch.shard]
        if self._tokens is None or self._labels is None:
            self._tokens = np.empty((shard.samples, self._tokens_per_sample), dtype=np.uint16)
            self._labels = np.empty(shard.samples, dtype=np.int64)
        end = batch.start + len(outputs)
        self._tokens[batch.start : end] = outputs.cpu().numpy()
        self._labels[batch.start : end] = batch.label.cpu().numpy()
        self._encoded += len(outputs)
        if end == shard.samples:
            with self._explained(needed=self._tokens.nbytes + self._labels.nbytes):
                write_shard(self.folder, shard, self._tokens, self._labels, self._identity)
            self._tokens = self._labels = None
            speed = self._encoded / max(time.monotonic() - self._start, 1e-9)
            work = cast(RemainingTokenShards, trainer.predict_dataloaders)
            rank_zero_info(f"{shard.name}: {self._encoded} of {work.num_images} images encoded, {speed:.1f} images/s")

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the index once all ranks are done and all shards are there, and say where the cache is."""
        self._tokens = self._labels = None
        if not trainer.is_global_zero:
            self._release()  # before rank 0, which removes the lock's file at last
        trainer.strategy.barrier("token shards")
        if trainer.is_global_zero:
            self._finish(plan_of(trainer))
            self._release()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Let go of the folder; the only hook that Lightning calls after a failure."""
        self._release()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Let go of the folder."""
        self._release()

    def _claim(self, plan: TokenizationPlan) -> list[TokenShardRecord]:
        """Hold the folder and make it ours (rank 0); a finished cache may be on a read-only disk."""
        with self._explained():
            try:
                self._lock = FolderLock(self.folder, first=True)
            except OSError as error:
                finished = finished_shards(self.folder, self._identity, plan.layout)
                if finished is None or error.errno not in READ_ONLY:
                    raise
                return finished
            return claim_folder(self.folder, self._identity, plan.layout)

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _finish(self, plan: TokenizationPlan) -> None:
        records = complete_shards(self.folder, self._identity, plan.layout)
        if len(records) < len(plan.layout.shards):
            rank_zero_info(
                f"{self.folder}: {len(records)} of {len(plan.layout.shards)} shards are complete. "
                "Run the same command again to go on."
            )
            return
        if not all((self.folder / name).is_file() for name in INDEX_FILES):
            with self._explained():
                finish_cache(self.folder, self._identity, plan.layout, self._tokens_per_sample, plan.classes, records)
        rank_zero_info(describe(TokenCache.open(self.folder)))

    def _explained(self, needed: int | None = None) -> AbstractContextManager[None]:
        """Tell what a failed write means for the cache."""
        return explained(self.folder, key="model.output", kept=KEPT, needed=needed)


def describe(cache: TokenCache) -> str:
    """Say where a cache is and what it holds."""
    layout = cache.layout
    size = sum(record.tokens_bytes + record.labels_bytes for record in cache.records) / 2**20
    return (
        f"The token cache is complete: {cache.path}\n"
        f"  {layout.train} training images × {layout.views} views, {layout.val} validation images, "
        f"{cache.tokens_per_sample} tokens each\n"
        f"  {len(cache.records)} shard(s), {size:.1f} MiB, tokenizer {cache.identity['tokenizer']['sha256'][:12]}"
    )


def plan_of(trainer: Trainer) -> TokenizationPlan:
    """The plan that the trainer runs.

    Raises:
        ValueError: If its data is something else.
    """
    data = getattr(trainer, "datamodule", None)  # set by Lightning, declared nowhere
    if not isinstance(data, TokenizationPlan):
        raise ValueError(
            f"Tokenization needs the data module TokenizationPlan, got {type(data).__name__}. In YAML: `data: "
            "{class_path: TokenizationPlan, init_args: {images: …}}`."
        )
    return data
