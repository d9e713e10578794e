"""Small sets and a small network to inspect them by."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hieramp_lit.checkpoints import save
from hieramp_lit.generate import Generated, Generator
from hieramp_lit.seeds import stream
from hieramp_lit.students import create_student

NETWORK, FEATURES, CLASSES, SIDE = "convnet3_w2", 32, 10, 32
PATCH_NUMS, CODES = (1, 2, 2, 3), 12  # no stage, coarse, mid, fine
LENGTHS = (1, 4, 4, 9)


def write_network(path: Path, classes: int = CLASSES) -> Path:
    """Random weights of a ConvNet with 32 features, batch-norm statistics included."""
    torch.manual_seed(0)
    network = create_student(NETWORK, classes, SIDE)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.copy_(0.1 * torch.randn_like(buffer))
    save(path, network.state_dict())
    return path


class TokenGenerator(Generator):
    """Grey images, and tokens that a class and an index decide; where asked, it says what they mean."""

    def __init__(self, tells: bool = True) -> None:
        self._tells = tells

    @property
    def name(self) -> str:
        return "tokens"

    def identity(self) -> dict[str, Any]:
        return {"tokens": {"patch_nums": list(PATCH_NUMS), "vocab_size": CODES}} if self._tells else {}

    def generate(self, labels_B: Tensor, indices_B: Tensor, seed: int, record_saliency: bool = False) -> Generated:
        tokens = [tokens_of(int(row), int(index)) for row, index in zip(labels_B, indices_B, strict=True)]
        images = torch.full((len(labels_B), 8, 8, 3), 128, dtype=torch.uint8)
        return Generated(images=images, tokens=torch.stack(tokens))


def tokens_of(row: int, index: int) -> Tensor:
    """More codes for classes of higher rows."""
    draws = torch.randint(0, CODES, (sum(LENGTHS),), generator=stream("tokens-of", row, index))
    return draws % (2 + row)
