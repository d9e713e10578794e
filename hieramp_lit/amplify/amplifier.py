"""The amplifier of one generation run: hooks for the attention of each scale, and what they saw.

Legend: ``B`` images · ``l`` tokens of one scale · ``H`` heads · ``D`` head width.
"""

from collections.abc import Sequence
from functools import partial

from torch import Tensor

from hieramp_lit.amplify.rules import emphasize
from hieramp_lit.amplify.saliency import class_token_saliency, salient_count, salient_positions
from hieramp_lit.amplify.schedule import Schedule
from hieramp_lit.var import Emphasis, Hook

Maps = dict[tuple[int, int], Tensor]


class Amplifier:
    """Amplifies, and records if asked; made anew for every batch.

    Args:
        schedule: What to amplify.
        recorded_scales: Scales whose saliency is also recorded, amplified or not; empty records nothing.
    """

    def __init__(self, schedule: Schedule, recorded_scales: Sequence[int] = ()) -> None:
        self.schedule = schedule
        self.recorded_scales = recorded_scales
        self.saliency: Maps = {}
        self.masks: Maps = {}

    def hooks(self, scale: int) -> dict[int, Hook]:
        """One hook per amplified block; none where there is nothing to do at this scale."""
        if not self.schedule.active(scale) and scale not in self.recorded_scales:
            return {}
        return {block: partial(self._amplify, (block, scale)) for block in self.schedule.blocks}

    def _amplify(
        self, place: tuple[int, int], query_BH1D: Tensor, keys_BHlD: Tensor, softmax_scale: float
    ) -> Emphasis | None:
        schedule, scale = self.schedule, place[1]
        saliency_Bl = class_token_saliency(query_BH1D, keys_BHlD, softmax_scale)
        ranked_by = saliency_Bl
        if schedule.saliency == "unconditional":
            ranked_by = saliency_Bl.chunk(2)[1].repeat(2, 1)
        salient_Bl = salient_positions(
            ranked_by, salient_count(schedule.rhos[scale], saliency_Bl.shape[1], schedule.rounding)
        )
        if scale in self.recorded_scales:
            self.saliency[place], self.masks[place] = saliency_Bl, salient_Bl
        if not schedule.active(scale):
            return None
        return emphasize(salient_Bl, schedule.betas[scale], schedule.rule, schedule.renormalize)


def no_schedule(num_scales: int, depth: int) -> Schedule:
    """Schedule that amplifies nothing; its block is the one that the paper's default would amplify."""
    block = max(0, depth - 2)
    return Schedule((0.0,) * num_scales, (0.0,) * num_scales, (block,), "logit_bias", True, "round", "own")
