"""A finished set of random real digits: what students' tests train on."""

from pathlib import Path

from hieramp_lit.generate import DigitsImages, RandomReal
from tests.shards.making import make_set


def make_digits_set(folder: Path, images_per_class: int = 2, seed: int = 0) -> Path:
    """Write the set and give its folder."""
    return make_set(folder, RandomReal(DigitsImages("train")), images_per_class=images_per_class, seed=seed).path
