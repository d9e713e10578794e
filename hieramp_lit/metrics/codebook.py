"""How a tokenizer uses its codebook at each scale.

Legend: ``B`` batch · ``K`` scales · ``L`` tokens of all scales · ``V`` codebook size.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from hieramp_lit.var.scales import Scales


class CodebookStatistics(NamedTuple):
    """Codebook use per scale, all float64 of shape ``(K,)``.

    Attributes:
        used: Codes that occur at all.
        coverage: Share of the codebook that occurs, ``used / V``.
        entropy: ``H = −Σ p log p`` of the codes' frequencies, in nats (HIERAMP, Sec. 5); 0 where nothing was counted.
        perplexity: ``e^H``: codes in use if all were equally frequent, from 1 to V.
        top_mass: Share of the tokens that have one of the ``⌈V / 100⌉`` most frequent codes, in [0, 1]; 0 where nothing
            was counted. High where few codes do most of the work.
    """

    used: Tensor
    coverage: Tensor
    entropy: Tensor
    perplexity: Tensor
    top_mass: Tensor


def codebook_statistics(histogram_KV: Tensor) -> CodebookStatistics:
    """Statistics of counted codes.

    Args:
        histogram_KV: Occurrences of each code at each scale, int64, shape ``(K, V)``.
    """
    vocab_size = histogram_KV.shape[1]
    entropy, coverage = entropy_and_coverage(histogram_KV)
    used = (histogram_KV > 0).sum(dim=1).double()
    top = _frequencies(histogram_KV).topk(-(-vocab_size // 100), dim=1).values.sum(dim=1)
    return CodebookStatistics(used, coverage, entropy, entropy.exp(), top)


def entropy_and_coverage(histogram_KV: Tensor) -> tuple[Tensor, Tensor]:
    """The two of `codebook_statistics` that HIERAMP takes of each class, in a quarter of the time."""
    entropy = torch.special.entr(_frequencies(histogram_KV)).sum(dim=1)
    return entropy, (histogram_KV > 0).sum(dim=1).double() / histogram_KV.shape[1]


def _frequencies(histogram_KV: Tensor) -> Tensor:
    histogram = histogram_KV.double()
    return histogram / histogram.sum(dim=1, keepdim=True).clamp(min=1)


class CodebookUsage(Metric):
    """Counts how often each code occurs at each scale; summed over batches and ranks.

    Args:
        scales: Token maps.
        vocab_size: Codebook size, ``V``.
    """

    full_state_update = False
    histogram: Tensor

    def __init__(self, scales: Scales, vocab_size: int) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.num_scales = len(scales)
        level_L = torch.repeat_interleave(torch.arange(len(scales)), torch.tensor(scales.lengths))
        self.register_buffer("_offset_L", level_L * vocab_size, persistent=False)
        self.add_state("histogram", torch.zeros(len(scales), vocab_size, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, tokens_BL: Tensor) -> None:
        """Count the tokens of a batch, int64 in ``[0, V)``, shape ``(B, L)``."""
        # not in place: a state that was made under inference mode, by `validate`, could not be changed by `fit`
        self.histogram = self.histogram + self.count(tokens_BL)

    def count(self, tokens_BL: Tensor) -> Tensor:
        """Occurrences in this batch alone, int64, shape ``(K, V)``."""
        codes = (tokens_BL + self.get_buffer("_offset_L")).flatten()
        # scatter_add_ and not bincount: a fixed size needs no look at the data, and so no wait for the device
        flat = torch.zeros(self.num_scales * self.vocab_size, dtype=torch.int64, device=codes.device)
        return flat.scatter_add_(0, codes, torch.ones_like(codes)).view(self.num_scales, self.vocab_size)

    def compute(self) -> CodebookStatistics:
        """Statistics of all that was counted."""
        return codebook_statistics(self.histogram)

    def statistics(self) -> CodebookStatistics:
        """What `compute` gives, shape ``(K,)`` for one scale too: torchmetrics makes scalars of single elements."""
        return CodebookStatistics(*(value.reshape(self.num_scales) for value in self.compute()))
