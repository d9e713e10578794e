"""Small shard sets for tests, from a generator that needs no weights."""

import os
import signal
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from hieramp_lit.data import GenerationPlan
from hieramp_lit.generate import Generated, Generator
from hieramp_lit.seeds import stream
from hieramp_lit.shards import ShardSet
from hieramp_lit.tasks import Generation

SIDES = (1, 2, 4)


class NoiseGenerator(Generator):
    """Noise images of 8 × 8 pixels, a function of (class row, index, seed); tokens and maps like VAR's."""

    def __init__(self, strength: float = 1.0, fail_at: int | None = None, kill_at: int | None = None) -> None:
        self.strength = strength
        self.fail_at = fail_at
        self.kill_at = kill_at
        self.calls = 0
        self.made: list[tuple[int, int, int]] = []

    @property
    def name(self) -> str:
        return "noise"

    def identity(self) -> dict[str, Any]:
        return {"weights": {"var": "0" * 64}, "schedule": None, "sampling": {"strength": self.strength}}

    def generate(self, labels_B: Tensor, indices_B: Tensor, seed: int, record_saliency: bool = False) -> Generated:
        if self.calls == self.fail_at:
            raise RuntimeError("the generator broke")
        if self.calls == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.calls += 1
        places = list(zip(labels_B.tolist(), indices_B.tolist(), strict=True))
        self.made += [(row, index, seed) for row, index in places]
        streams = [stream("noise", seed, row, index) for row, index in places]
        images = torch.stack([torch.randint(0, 256, (8, 8, 3), generator=s, dtype=torch.uint8) for s in streams])
        tokens = torch.stack([torch.randint(0, 40_000, (21,), generator=s) for s in streams])
        B = len(places)
        maps = {(1, k): torch.arange(2.0 * B * side**2).reshape(2 * B, side**2) for k, side in enumerate(SIDES)}
        return Generated(images=images, tokens=tokens, saliency=maps if record_saliency else None)


def quiet_trainer(**options: Any) -> Trainer:
    return Trainer(
        accelerator="cpu", devices=1, logger=False, enable_progress_bar=False, enable_model_summary=False, **options
    )


def make_set(
    output: Path,
    generator: Generator | None = None,
    *,
    images_per_class: int = 2,
    shard_size: int = 6,
    seed: int = 0,
    batch_size: int = 4,
    class_subset: list[int | str] | None = None,
    trainer: dict[str, Any] | None = None,
    **task: Any,
) -> ShardSet:
    """Run `predict` in this process; by default 20 images of ten classes in shards of 6, 6, 6 and 2."""
    plan = GenerationPlan("digits", images_per_class, shard_size, seed, batch_size, class_subset)
    quiet_trainer(**(trainer or {})).predict(Generation(generator or NoiseGenerator(), str(output), **task), plan)
    return ShardSet.open(output)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, hidden ones too."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
