"""Use of the codebook by a set's own tokens: per scale, per stage (HIERAMP, Sec. 5.1), per class."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from hieramp_lit.analysis.token_maps import UNKNOWN, TokenMaps
from hieramp_lit.inspection.findings import Findings
from hieramp_lit.metrics.class_tokens import ClassTokenStatistics, ClassTokenUsage
from hieramp_lit.var.scales import STAGES, Scales

OF_STAGE = ("token_entropy", "token_coverage", "token_top_mass", "class_token_entropy", "class_token_coverage")
OF_CODEBOOK = ("codebook_coverage", "codebook_perplexity")
TOKEN_NAMES = (*OF_CODEBOOK, *(f"{name}/{stage}" for name in OF_STAGE for stage in STAGES))


class TokenCount:
    """Counts a set's tokens.

    Args:
        maps: What they mean; None if it is not known.
        num_classes: Classes of the set.
    """

    def __init__(self, maps: TokenMaps | None, num_classes: int) -> None:
        self._maps = maps
        self._usage = None if maps is None else ClassTokenUsage(maps.scales, maps.vocab_size, num_classes)
        self._with = self._without = 0

    def update(self, tokens_BL: Tensor | None, label_B: Tensor) -> None:
        """Take in the tokens of a batch; None of images without.

        Raises:
            ValueError: If they do not fit the token maps.
        """
        if tokens_BL is None:
            self._without += len(label_B)
            return
        self._with += len(label_B)
        if self._usage is not None:
            self._usage.update(tokens_BL, label_B)

    def measure(self, found: Findings) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
        """Add all measures.

        Returns:
            Values per scale and per stage; none without tokens.

        Raises:
            ValueError: If some images have tokens and others none.
        """
        if self._with and self._without:
            raise ValueError(
                f"{self._with} images have tokens and {self._without} have none: `hieramp verify` names every fault of "
                "the set."
            )
        if not self._with:
            found.leave_out(TOKEN_NAMES, "the set stores no tokens: its generator has none")
            return [], {}
        if self._usage is None or self._maps is None:
            found.leave_out(TOKEN_NAMES, UNKNOWN)
            return [], {}
        scales, statistics = self._maps.scales, self._usage.compute()
        found.summary |= {
            "codebook_coverage": float(statistics.codebook.coverage),
            "codebook_perplexity": float(statistics.codebook.perplexity),
        }
        per_scale = _per_scale(scales, statistics)
        per_stage: dict[str, dict[str, Any]] = {}
        for place, stage in enumerate(STAGES):
            members = [scale for scale in range(len(scales)) if scales.stage_of(scale) == stage]
            if not members:
                reason = f"{len(scales)} scales leave none to this stage"
                found.leave_out([f"{name}/{stage}" for name in OF_STAGE], reason)
                continue
            per_stage[stage] = _means(per_scale, members) | {
                "pooled_entropy": float(statistics.stages.entropy[place]),
                "pooled_coverage": float(statistics.stages.coverage[place]),
                "pooled_top_mass": float(statistics.stages.top_mass[place]),
            }
            found.summary |= {f"{name}/{stage}": per_stage[stage][name] for name in OF_STAGE}
            _add_classes(found, stage, statistics, members, len(scales))
        return per_scale, per_stage


def _add_classes(
    found: Findings, stage: str, statistics: ClassTokenStatistics, members: Sequence[int], num_scales: int
) -> None:
    for kind, value in (("token_entropy", statistics.class_entropy), ("token_coverage", statistics.class_coverage)):
        means = value.reshape(-1, num_scales)[:, list(members)].mean(dim=1).tolist()
        found.add_classes(f"{kind}/{stage}", [None if math.isnan(mean) else mean for mean in means], "no image")


def _per_scale(scales: Scales, statistics: ClassTokenStatistics) -> list[dict[str, Any]]:
    K = len(scales)
    whole = [value.reshape(K).tolist() for value in statistics.scales]
    entropy, coverage = (
        value.reshape(-1, K).nanmean(dim=0).tolist() for value in (statistics.class_entropy, statistics.class_coverage)
    )
    images = int(statistics.images.sum())
    return [
        {
            "scale": scale,
            "side": scales.patch_nums[scale],
            "stage": scales.stage_of(scale),
            "tokens": images * scales.lengths[scale],
            "codes_used": int(whole[0][scale]),
            "token_coverage": whole[1][scale],
            "token_entropy": whole[2][scale],
            "token_perplexity": whole[3][scale],
            "token_top_mass": whole[4][scale],
            "class_token_entropy": entropy[scale],
            "class_token_coverage": coverage[scale],
        }
        for scale in range(K)
    ]


def _means(per_scale: Sequence[Mapping[str, Any]], members: Sequence[int]) -> dict[str, Any]:
    """Means over the scales of a stage, each counting the same."""
    return {
        "scales": list(members),
        **{name: sum(per_scale[scale][name] for scale in members) / len(members) for name in OF_STAGE},
    }
