"""Small token caches for tests: 22 training and 6 validation images of two classes, 16×16 random crops, 21 tokens."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Trainer
from PIL import Image

from hieramp_lit.data import ImageFolderDataModule, TokenCache, TokenizationPlan
from hieramp_lit.tasks import Tokenization
from hieramp_lit.var import Tokenizer
from tests.tasks.tuning import PATCH_NUMS

COUNTS = {"train": {"cat": 9, "dog": 13}, "val": {"cat": 2, "dog": 4}}


def write_images(root: Path, seed: int = 0) -> Path:
    """Noise, so that every crop has other tokens."""
    rng = np.random.default_rng(seed)
    for split, counts in COUNTS.items():
        for name, count in counts.items():
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (20 + i, 24, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{i:02d}.png")
    return root


def image_data(root: Path, **arguments: Any) -> ImageFolderDataModule:
    """The images as a data module."""
    folders = {"train": str(root / "train"), "val": str(root / "val")}
    sizes = {"image_size": 16, "batch_size": 4, "num_workers": 0, "check": False}
    return ImageFolderDataModule(**{**folders, **sizes, **arguments})


def quiet_trainer(**options: Any) -> Trainer:
    """A trainer for predictions on the CPU that says nothing."""
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return Trainer(**{"accelerator": "cpu", "devices": 1, "use_distributed_sampler": False, **quiet, **options})


def make_cache(
    output: Path,
    tokenizer: Tokenizer,
    images: ImageFolderDataModule,
    *,
    views: int = 2,
    shard_size: int = 8,
    patch_nums: tuple[int, ...] = PATCH_NUMS,
    task: Callable[..., Tokenization] = Tokenization,
    **trainer: Any,
) -> TokenCache:
    """What `hieramp tokenize` does; by default 3 shards of each of 2 views (8, 8, 6 samples) and one of 6."""
    plan = TokenizationPlan(images, views, shard_size)
    quiet_trainer(**trainer).predict(task(tokenizer, str(output), patch_nums), plan)
    return TokenCache.open(output)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, hidden ones too."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def flip_a_byte(path: Path) -> None:
    """Damage a file without changing its size."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
