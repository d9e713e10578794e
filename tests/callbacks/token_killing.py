"""Tokenization that kills itself with SIGKILL at a chosen moment, in a process of its own."""

import os
import signal
from functools import partial
from pathlib import Path

from torch import Tensor

from hieramp_lit.data import TokenizationBatch
from hieramp_lit.tasks import Tokenization
from hieramp_lit.var import Tokenizer
from tests.callbacks.killing import die_before_file_operation, run_apart
from tests.data.tokens.token_caches import image_data, make_cache


class Counting(Tokenization):
    """Counts the batches it encodes, and dies or fails in one of them."""

    def __init__(self, *arguments: object, kill_at: int | None = None, fail_at: int | None = None) -> None:
        super().__init__(*arguments)
        self.calls = 0
        self.kill_at = kill_at
        self.fail_at = fail_at

    def predict_step(self, batch: TokenizationBatch, batch_idx: int) -> Tensor:
        if self.calls == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.calls == self.fail_at:
            raise RuntimeError("the encoder broke")
        self.calls += 1
        return super().predict_step(batch, batch_idx)


def tokenize_and_kill(
    folder: Path, tokenizer: Path, images: Path, *, file_operation: int | None = None, call: int | None = None
) -> int | None:
    """Make the cache of `make_cache` with one view and die before a file operation in it, or before a batch.

    Returns:
        The exit code: ``-SIGKILL`` if the run was killed, 0 if it ended before that.
    """
    return run_apart(_run, str(folder), str(tokenizer), str(images), file_operation, call)


def _run(folder: str, tokenizer: str, images: str, file_operation: int | None, call: int | None) -> None:
    die_before_file_operation(folder, file_operation)
    task = partial(Counting, kill_at=call)
    make_cache(Path(folder), Tokenizer(tokenizer), image_data(Path(images)), views=1, shard_size=12, task=task)
