"""Means per scale of something that every token or class token has: a loss, a hit.

Legend: ``B`` batch · ``K`` scales · ``P`` positions, e.g. the tokens of all scales.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric


class ScaleMean(Metric):
    """Mean over all positions, and over those of each scale; exact over batches of any size and over ranks.

    Args:
        lengths: Positions of each scale; they lie one scale after the other. Tokens: ``Scales.lengths``; one class
            token a scale: ones.
    """

    full_state_update = False
    sums: Tensor
    count: Tensor

    def __init__(self, lengths: Sequence[int]) -> None:
        super().__init__()
        self.lengths = tuple(lengths)
        # float64, so that the means do not depend on how samples were batched
        self.add_state("sums", torch.zeros(len(self.lengths), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, value_BP: Tensor) -> None:
        """Take in the values of a batch, shape ``(B, P)``, any float or bool type."""
        parts = torch.split(value_BP.detach().double().sum(dim=0), list(self.lengths))
        # not in place: a state that was made under inference mode, by `validate`, could not be changed by `fit`
        self.sums = self.sums + torch.stack([part.sum() for part in parts])
        self.count = self.count + len(value_BP)

    def compute(self) -> Tensor:
        """Mean of each scale, float64, shape ``(K,)``; NaN before the first update."""
        return self.sums / (self.count * self.sums.new_tensor(self.lengths))

    def samples(self) -> int:
        """Samples taken in, of all ranks; every rank must ask."""
        with self.sync_context():
            return int(self.count)

    def summary(self, name: str, *, last: bool = False) -> dict[str, Tensor]:
        """Named means: overall, where each position counts the same, and per scale.

        Args:
            name: First part of the names, e.g. ``val/token_loss``; scales are ``val/token_loss/00``, ….
            last: Also repeat the finest scale as ``name/last``.
        """
        means = self.compute()
        weights = means.new_tensor(self.lengths)
        named = {name: (means * weights).sum() / weights.sum()}
        named |= {f"{name}/{scale:02d}": mean for scale, mean in enumerate(means)}
        if last:
            named[f"{name}/last"] = means[-1]
        return {key: value.float() for key, value in named.items()}
