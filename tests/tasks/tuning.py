"""Small fits of tokenizers and VAR for tests: 16×16 random images of ten classes, patch_nums 1 2 4."""

from collections.abc import Sequence
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from hieramp_lit.checkpoints import save
from hieramp_lit.classes import load_classes
from hieramp_lit.data import ImageBatch
from hieramp_lit.data.loading import SampleKey
from hieramp_lit.data.module import ImageDataModule
from hieramp_lit.tasks import ClassTokenTuning
from hieramp_lit.var import Scales, Tokenizer, VARArchitecture, VQVAEArchitecture

PATCH_NUMS = (1, 2, 4)
TOKENIZER = VQVAEArchitecture(vocab_size=16, z_channels=4, ch=32, ch_mult=(1, 1, 1), num_res_blocks=1, num_phi=2)


class NoiseSamples:
    """Random images; the label of image i is i modulo 10."""

    def __init__(self, count: int) -> None:
        random = torch.Generator().manual_seed(0)
        self.images = torch.randint(0, 256, (count, 3, 16, 16), generator=random, dtype=torch.uint8)
        self.labels = torch.arange(count) % 10

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, keys: Sequence[SampleKey]) -> ImageBatch:
        chosen = torch.tensor([key.sample for key in keys])
        return ImageBatch(self.images[chosen], self.labels[chosen])


class NoiseDataModule(ImageDataModule):
    """22 training and 7 validation images."""

    classes = load_classes("digits")

    def train_samples(self) -> NoiseSamples:
        return NoiseSamples(22)

    def val_samples(self) -> NoiseSamples:
        return NoiseSamples(7)

    def test_samples(self) -> NoiseSamples:
        return NoiseSamples(7)


def write_tokenizer(path: Path, seed: int = 0) -> Tokenizer:
    """Store a tokenizer with random weights."""
    torch.manual_seed(seed)
    save(path, TOKENIZER.build(Scales(PATCH_NUMS)).state_dict())
    return Tokenizer(str(path))


def architecture(**changes: object) -> VARArchitecture:
    """Sizes of the small VAR, drop-path on."""
    sizes = {"vocab_size": 16, "z_channels": 4, "depth": 2, "embed_dim": 16, "num_heads": 2, "num_classes": 10}
    return VARArchitecture(**{"patch_nums": PATCH_NUMS, "drop_path_rate": 0.4, **sizes, **changes})


def tuning(tokenizer: Tokenizer, **arguments: object) -> ClassTokenTuning:
    """The task on the small VAR; learns fast, so that differences show."""
    return ClassTokenTuning(tokenizer, **{"var": architecture(), "learning_rate": 1e-2, **arguments})


def trainer(*callbacks: Callback, **arguments: object) -> Trainer:
    """A quiet trainer for CPU."""
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "num_sanity_val_steps": 0}
    machine = {"accelerator": "cpu", "devices": 1, "use_distributed_sampler": False}
    storing = {"enable_checkpointing": any("Checkpoint" in type(c).__name__ for c in callbacks)}
    return Trainer(**{**quiet, **machine, **storing, "callbacks": list(callbacks), **arguments})


def weights(task: LightningModule, part: str = "var") -> dict[str, Tensor]:
    """A copy of the weights of one network of a task."""
    return {name: value.clone() for name, value in getattr(task, part).state_dict().items()}


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    """Equal names and bits."""
    return list(left) == list(right) and all(torch.equal(left[name], right[name]) for name in left)
