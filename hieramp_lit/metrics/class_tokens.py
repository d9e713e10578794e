"""How a set uses the codebook, as a whole and class by class.

Legend: ``B`` batch · ``C`` classes · ``K`` scales · ``L`` tokens of all scales · ``V`` codebook size.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from hieramp_lit.metrics.codebook import CodebookStatistics, codebook_statistics, entropy_and_coverage
from hieramp_lit.metrics.rows import check_labels
from hieramp_lit.var.scales import STAGES, Scales


class ClassTokenStatistics(NamedTuple):
    """Use of the codebook (HIERAMP, Eq. 11 to 13), in nats and shares of V.

    Attributes:
        scales: Of the whole set, per scale.
        stages: Of the whole set, the counts of a stage's scales added up before; in the order of `STAGES`. A fine scale
            has more tokens than a coarse one, so it decides here.
        codebook: Of the whole set, the counts of all scales added up before; scalars.
        class_entropy: Of each class's own tokens at each scale, float64, shape ``(C, K)``; NaN where a class has no
            image.
        class_coverage: Likewise.
        images: Images of each class, int64, shape ``(C,)``.

    torchmetrics makes a scalar of whatever has one element, also where K or C is 1.
    """

    scales: CodebookStatistics
    stages: CodebookStatistics
    codebook: CodebookStatistics
    class_entropy: Tensor
    class_coverage: Tensor
    images: Tensor


class ClassTokenUsage(Metric):
    """Counts how often each code occurs at each scale of each class; summed over batches and ranks.

    The state takes ``4 · C · K · V`` bytes however many images are counted: 164 MB for ImageNet-1K and VAR's ten scales
    of 4096 codes. A class of n images has at most ``n · side²`` different codes at a scale: compare sets of one size.

    Args:
        scales: Token maps.
        vocab_size: V.
        num_classes: C.

    Raises:
        ValueError: If a number is below 1.
    """

    full_state_update = False
    histogram: Tensor
    images: Tensor

    def __init__(self, scales: Scales, vocab_size: int, num_classes: int) -> None:
        super().__init__()
        if vocab_size < 1 or num_classes < 1:
            raise ValueError(f"vocab_size={vocab_size} and num_classes={num_classes} must be at least 1.")
        self.scales = scales
        self.vocab_size = vocab_size
        self.num_classes = num_classes
        level_L = torch.repeat_interleave(torch.arange(len(scales)), torch.tensor(scales.lengths))
        self.register_buffer("_offset_L", level_L * vocab_size, persistent=False)
        # int32: a class would need three million images of VAR's finest scale to overflow it
        shape = (num_classes, len(scales), vocab_size)
        self.add_state("histogram", torch.zeros(shape, dtype=torch.int32), dist_reduce_fx="sum")
        self.add_state("images", torch.zeros(num_classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, tokens_BL: Tensor, label_B: Tensor) -> None:
        """Count the tokens of a batch.

        Args:
            tokens_BL: Codebook indices, int64 in ``[0, V)``, shape ``(B, L)``.
            label_B: cls, int64, shape ``(B,)``.

        Raises:
            ValueError: If shapes do not fit, a label is no class, or a token is no code.
        """
        if tokens_BL.ndim != 2 or tokens_BL.shape[1] != self.scales.total or tokens_BL.dtype != torch.int64:
            raise ValueError(
                f"Tokens of shape {tuple(tokens_BL.shape)} and type {tokens_BL.dtype} received, (images, "
                f"{self.scales.total}) and int64 expected: the maps of {self.scales}, one after the other."
            )
        label_B = check_labels(label_B, self.num_classes, len(tokens_BL))
        if tokens_BL.numel() and not 0 <= int(tokens_BL.min()) <= int(tokens_BL.max()) < self.vocab_size:
            raise ValueError(
                f"Tokens from {int(tokens_BL.min())} to {int(tokens_BL.max())} received, the codebook has "
                f"{self.vocab_size} codes, counted from 0."
            )
        place_BL = label_B[:, None] * (len(self.scales) * self.vocab_size) + self.get_buffer("_offset_L") + tokens_BL
        if self.histogram.is_inference():  # a state that was made under inference mode could not be changed later
            self.histogram = self.histogram.clone()
        ones = torch.ones(place_BL.numel(), dtype=torch.int32, device=place_BL.device)
        self.histogram.view(-1).scatter_add_(0, place_BL.flatten(), ones)
        self.images = self.images + torch.bincount(label_B, minlength=self.num_classes)

    def compute(self) -> ClassTokenStatistics:
        """Statistics of all that was counted.

        Raises:
            ValueError: If nothing was.
        """
        if not self.images.any():
            raise ValueError("There are no tokens to measure the use of the codebook by.")
        # class by class: as int64 or float64 all of them would take twice the state, or several times
        whole_KV = torch.zeros_like(self.histogram[0], dtype=torch.int64)
        for histogram_KV in self.histogram:
            whole_KV += histogram_KV
        of_stage = [[k for k in range(len(self.scales)) if self.scales.stage_of(k) == stage] for stage in STAGES]
        each = [entropy_and_coverage(histogram_KV) for histogram_KV in self.histogram]
        missing_C = self.images == 0
        entropy, coverage = (
            torch.stack(values).masked_fill(missing_C[:, None], torch.nan) for values in zip(*each, strict=True)
        )
        return ClassTokenStatistics(
            scales=codebook_statistics(whole_KV),
            stages=codebook_statistics(torch.stack([whole_KV[scales].sum(dim=0) for scales in of_stage])),
            codebook=codebook_statistics(whole_KV.sum(dim=0, keepdim=True)),
            class_entropy=entropy,
            class_coverage=coverage,
            images=self.images,
        )
