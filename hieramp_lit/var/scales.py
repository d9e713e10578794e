"""The pyramid of token maps: sides, lengths, positions in the sequence, stages."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

Stage = Literal["none", "coarse", "mid", "fine"]
STAGES: tuple[Stage, ...] = ("coarse", "mid", "fine")


class Scales:
    """Scales of a visual autoregressive model, from coarse to fine (VAR, arXiv:2404.02905, Sec. 3).

    Args:
        patch_nums: Side of each token map, positive and never falling; the last one is the side of the tokenizer's
            latent. ``(1, 2, 3, 4, 5, 6, 8, 10, 13, 16)`` for the published models at 256².

    Attributes:
        patch_nums: Sides, one per scale.
        lengths: Tokens per scale, ``side²``.
        slices: Where each scale lies in the sequence of all tokens.
        total: Tokens of all scales, ``L``.

    Raises:
        ValueError: If `patch_nums` is empty, not positive, or falls somewhere.
    """

    def __init__(self, patch_nums: Sequence[int]) -> None:
        self.patch_nums = tuple(int(side) for side in patch_nums)
        falls = any(b < a for a, b in pairwise(self.patch_nums))
        if not self.patch_nums or min(self.patch_nums) < 1 or falls:
            raise ValueError(
                f"patch_nums={list(patch_nums)}: expected one or more positive sides from coarse to fine, "
                "e.g. [1, 2, 3, 4, 5, 6, 8, 10, 13, 16]."
            )
        self.lengths = tuple(side * side for side in self.patch_nums)
        starts = [sum(self.lengths[:k]) for k in range(len(self.lengths))]
        self.slices = tuple(slice(start, start + length) for start, length in zip(starts, self.lengths, strict=True))
        self.total = sum(self.lengths)

    def __len__(self) -> int:
        return len(self.patch_nums)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scales) and self.patch_nums == other.patch_nums

    def __hash__(self) -> int:
        return hash(self.patch_nums)

    def __repr__(self) -> str:
        return f"Scales({list(self.patch_nums)})"

    @property
    def side(self) -> int:
        """Side of the finest token map, which is the side of the latent."""
        return self.patch_nums[-1]

    def progress(self, scale: int) -> float:
        """Share of the way from the first to the last scale, ``k / (K − 1)``; 1 where there is one scale only."""
        return scale / (len(self) - 1) if len(self) > 1 else 1.0

    def stage_of(self, scale: int) -> Stage:
        """Stage of a scale (HIERAMP, Sec. 3.4): coarse 1-3, mid 4-6, fine 7-9 of ten scales.

        Scale 0 has no stage. For other counts the scales 1…K−1 are cut in thirds, what is left over going to coarse
        first, then to mid.

        Args:
            scale: Index in ``0 … K − 1``.

        Raises:
            ValueError: If there is no such scale.
        """
        if not 0 <= scale < len(self):
            raise ValueError(f"scale={scale}: expected 0 to {len(self) - 1} for {self}.")
        if scale == 0:
            return "none"
        third, left_over = divmod(len(self) - 1, 3)
        coarse = third + (left_over >= 1)
        mid = third + (left_over == 2)
        if scale <= coarse:
            return "coarse"
        return "mid" if scale <= coarse + mid else "fine"
