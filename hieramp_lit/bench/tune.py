"""`hieramp bench tune`: steps of class-token tuning from images and from cached tokens, and what the transformer takes.

A step is that of `ClassTokenTuning`: losses with their metrics, backward, clipping, AdamW. Images are random pixels in
memory, so that reading and decoding files is left out, which favours them; tokens come from a cache on disk.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from hieramp_lit.allocator import keep_freed_memory
from hieramp_lit.bench.flops import sequence_flops
from hieramp_lit.bench.machine import chosen_device, describe, matmul_rate
from hieramp_lit.bench.measure import Candidate, time_candidates
from hieramp_lit.bench.process import OwnProcess
from hieramp_lit.bench.report import Group, Report
from hieramp_lit.checkpoints import save
from hieramp_lit.classes import load_classes
from hieramp_lit.data import ImageBatch, TokenBatch, TokenDataModule
from hieramp_lit.data.tokens.folder import finish_cache, write_shard
from hieramp_lit.data.tokens.layout import TokenLayout
from hieramp_lit.optimization import adamw, weight_decay_groups
from hieramp_lit.seeds import stream
from hieramp_lit.tasks import ClassTokenTuning
from hieramp_lit.var import Scales, Tokenizer, VARArchitecture, VQVAEArchitecture

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
TRANSFORMER, TOKENS, IMAGES = "transformer alone", "from cached tokens", "from images"
DEFAULT_BATCH_SIZES = {"cpu": 1, "cuda": 32}
CLIP = 2.0

Trainable = Literal["all", "class_tokens"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own arguments."""
    parser.add_argument("--depth", type=int, default=16, metavar="N", help="blocks of the VAR (default: 16)")
    parser.add_argument("--ch", type=int, default=160, metavar="N", help="channels of the tokenizer (default: 160)")
    parser.add_argument("--batch-size", type=int, metavar="B", help="images a step (default: 1 on a CPU, else 32)")
    parser.add_argument("--precision", choices=PRECISIONS, default="bf16", help="bf16 by autocast (default: bf16)")
    parser.add_argument("--trainable", choices=("all", "class_tokens", "both"), default="both",
                        help="see `model.trainable` (default: both, one after the other)")  # fmt: skip
    parser.add_argument("--checkpointing", action="store_true", help="see `model.checkpointing`")
    parser.add_argument("--compile", choices=("none", "default"), default="none", help="see `model.compile`")


def run(options: argparse.Namespace, progress: Callable[[int, int], None] | None = None) -> Report:
    """Time a step of every way, for every choice of what learns.

    Args:
        options: Those of `add_arguments`, ``device``, ``repeats`` and ``warmup``.
        progress: Called after each run, see `time_candidates`.

    Raises:
        ValueError: For options that cannot be.
    """
    device = chosen_device(options.device)
    kept = keep_freed_memory(device)
    batch_size = DEFAULT_BATCH_SIZES[device.type] if options.batch_size is None else options.batch_size
    if batch_size < 1:
        raise ValueError(f"--batch-size {batch_size}: give a number of at least 1.")
    modes: list[Trainable] = ["all", "class_tokens"] if options.trainable == "both" else [options.trainable]
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = write_tokenizer(Path(folder) / "tokenizer.safetensors", options.ch)
        cache = write_cache(Path(folder) / "cache", tokenizer, batch_size)
        groups = [_group(mode, options, batch_size, device, tokenizer, cache, progress) for mode in modes]
    settings = {
        "depth": options.depth,
        "ch": options.ch,
        "batch_size": batch_size,
        "precision": options.precision,
        "checkpointing": options.checkpointing,
        "compile": options.compile,
        "memory_kept": kept,
        "weights": "random",
    }
    rate = matmul_rate(device, PRECISIONS[options.precision])
    return Report("tune", "steps", settings, describe(device), groups, rate, [_note(group) for group in groups])


class Steps:
    """Takes a step of tuning at each call.

    Args:
        task: What learns; its encoder is loaded if images come.
        optimizer: From `make_optimizer`.
        source: `TRANSFORMER`, `TOKENS` or `IMAGES`.
        cache: Folder of tokens.
        batch_size: Images a step.
        dtype: Of autocast; float32 is none.
    """

    def __init__(
        self,
        task: ClassTokenTuning,
        optimizer: torch.optim.Optimizer,
        source: str,
        cache: str,
        batch_size: int,
        dtype: torch.dtype,
    ) -> None:
        self.task = task
        self._device = task.var.head.weight.device
        self._dtype = dtype
        self._optimizer = optimizer
        self._learning = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self._batches: Iterator[ImageBatch | TokenBatch] = _tokens(cache, batch_size)
        self._ready: tuple[Tensor, Tensor, Tensor] | None = None
        if source == IMAGES:
            task.tokenizer.load_encoder()
            self._batches = _images(batch_size)
        elif source == TRANSFORMER:
            tokens_BL, label_B = self._next()
            self._ready = tokens_BL, task.tokenizer.teacher_input(tokens_BL), label_B

    def __call__(self) -> None:
        """Losses, backward, clipping, AdamW."""
        enabled = self._dtype != torch.float32
        with torch.autocast(self._device.type, self._dtype, enabled, cache_enabled=False):  # as Lightning's
            ready = self._ready
            losses = self.task.losses(self._next()) if ready is None else self.task.transformer_losses(*ready)
        torch.autograd.backward(losses["loss"])
        torch.nn.utils.clip_grad_norm_(self._learning, CLIP)
        self._optimizer.step()
        self._optimizer.zero_grad()

    def _next(self) -> ImageBatch | TokenBatch:
        batch = next(self._batches)
        return type(batch)(*(part.to(self._device, non_blocking=True) for part in batch))


def _group(
    trainable: Trainable,
    options: argparse.Namespace,
    batch_size: int,
    device: torch.device,
    tokenizer: Tokenizer,
    cache: str,
    progress: Callable[[int, int], None] | None,
) -> Group:
    """One table. All rows share weights and optimizer; memory is measured before, each row by itself."""
    make = partial(_steps, trainable, options, batch_size, device, tokenizer, cache)
    peaks = {source: _peak(partial(make, source), device) for source in (TOKENS, IMAGES)}
    task = make_task(trainable, options, device, tokenizer)
    optimizer = make_optimizer(task)
    forward = batch_size * sequence_flops(task.var)
    of_transformer = forward * ({"all": 3, "class_tokens": 2}[trainable] + options.checkpointing)
    of_encoder = batch_size * _encoder_flops(options.ch)
    candidates = [
        Candidate(
            source,
            Steps(task, optimizer, source, cache, batch_size, PRECISIONS[options.precision]),
            flops=of_transformer + of_encoder * (source == IMAGES),
            peak_bytes=partial(peaks.get, source),
        )
        for source in (TRANSFORMER, TOKENS, IMAGES)
    ]
    return Group(
        f"trainable: {trainable}",
        time_candidates(candidates, device, options.repeats, options.warmup, progress=progress),
    )


def _steps(
    trainable: Trainable,
    options: argparse.Namespace,
    batch_size: int,
    device: torch.device,
    tokenizer: Tokenizer,
    cache: str,
    source: str,
) -> Steps:
    """A row's steps, in a process of its own."""
    keep_freed_memory(device)
    task = make_task(trainable, options, device, tokenizer)
    return Steps(task, make_optimizer(task), source, cache, batch_size, PRECISIONS[options.precision])


def _peak(make: Callable[[], Steps], device: torch.device) -> int | None:
    """Highest memory of a step in a process that holds nothing else."""
    with OwnProcess(make, device) as process:
        for _ in range(2):  # the first one makes the task and the optimizer's state
            process()
        return process.peak_bytes


def make_task(
    trainable: Trainable, options: argparse.Namespace, device: torch.device, tokenizer: Tokenizer
) -> ClassTokenTuning:
    """The task at the bench's sizes, with random weights."""
    task = ClassTokenTuning(
        tokenizer,
        VARArchitecture(depth=options.depth),
        trainable=trainable,
        checkpointing=options.checkpointing,
        compile=options.compile,
    )
    return task.to(device)


def make_optimizer(task: ClassTokenTuning) -> torch.optim.AdamW:
    """The task's own, at a constant rate."""
    groups = weight_decay_groups(task.var.named_parameters(), task.var.no_weight_decay(), task.weight_decay)
    return adamw(groups, lr=1e-4, betas=task.betas)


def _images(batch_size: int) -> Iterator[ImageBatch]:
    """The same random pixels again and again."""
    draws = stream("bench", "images")
    images = torch.randint(0, 256, (batch_size, 3, 256, 256), generator=draws, dtype=torch.uint8)
    while True:
        yield ImageBatch(images, torch.arange(batch_size) % 10)


def _tokens(cache: str, batch_size: int) -> Iterator[TokenBatch]:
    """Batches of a cache without end."""
    loader = TokenDataModule(cache, batch_size).train_dataloader()
    while True:
        yield from loader


def write_tokenizer(path: Path, ch: int) -> Tokenizer:
    """A tokenizer with random weights, as a file."""
    save(path, VQVAEArchitecture(ch=ch).build(Scales(VARArchitecture.patch_nums)).state_dict())
    return Tokenizer(str(path))


def write_cache(folder: Path, tokenizer: Tokenizer, batch_size: int) -> str:
    """A cache of random tokens, a few batches of them."""
    scales, codes = Scales(VARArchitecture.patch_nums), VARArchitecture.vocab_size
    layout = TokenLayout(train=8 * batch_size, val=1, views=1, shard_size=1024)
    decides = {"sha256": tokenizer.sha256(), "patch_nums": list(scales.patch_nums)}
    identity = {"tokenizer": decides, "shard_size": layout.shard_size}
    draws, records = np.random.default_rng(0), []
    folder.mkdir()
    for shard in layout.shards:
        tokens = draws.integers(codes, size=(shard.samples, scales.total), dtype=np.uint16)
        records.append(write_shard(folder, shard, tokens, np.arange(shard.samples) % 10, identity))
    finish_cache(folder, identity, layout, scales.total, load_classes("digits"), records)
    return str(folder)


def _encoder_flops(ch: int) -> float:
    """One image through the tokenizer's encoder, by torch's counter; the model lies on the meta device."""
    with torch.device("meta"):
        vqvae = VQVAEArchitecture(ch=ch).build(Scales(VARArchitecture.patch_nums))
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            vqvae.feature(torch.empty(1, 3, vqvae.image_size, vqvae.image_size))
    return float(counter.get_total_flops())


def _note(group: Group) -> str:
    alone, tokens, images = group.timings
    return (
        f"{group.title}: what is not the transformer takes {100 * (1 - 1 / images.ratio_to(alone)):.1f} % of a step "
        f"from images, {100 * (1 - 1 / tokens.ratio_to(alone)):.1f} % of one from cached tokens, which is "
        f"{images.ratio_to(tokens):.2f} × as fast."
    )
