"""How strongly each scale is amplified: stages, scales and blocks resolved to one β and one ρ per scale.

HIERAMP, Sec. 3.4 and Algorithm 1. Legend: ``K`` scales.
"""

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from hieramp_lit.var import STAGES, Scales

Rule = Literal["logit_bias", "post_softmax"]
Rounding = Literal["round", "floor"]
SaliencySource = Literal["own", "unconditional"]
StageName = Literal["coarse", "mid", "fine"]


@dataclass(frozen=True)
class StageValues:
    """One value per stage; a stage left null is off.

    Args:
        coarse: Scales 1-3 of ten.
        mid: Scales 4-6 of ten.
        fine: Scales 7-9 of ten.
    """

    coarse: float | None = None
    mid: float | None = None
    fine: float | None = None

    @property
    def named(self) -> list[str]:
        """Stages with a value, coarse to fine."""
        return [stage for stage in STAGES if getattr(self, stage) is not None]


@dataclass(frozen=True)
class Amplification:
    """What to amplify, where and how much (HIERAMP, Sec. 3.4). The defaults are the paper's final configuration.

    Args:
        beta: Strength. For `logit_bias` a number added to attention logits (0 is off, below 0 damps); for
            `post_softmax` a factor on attention weights (1 is off, 0 or more). One number, one per stage
            (`beta.coarse`, `beta.mid`, `beta.fine`; a stage left out is off), or a list with one number per scale
            (the first is unused).
        rho: Share of a scale's positions that count as salient, in [0, 1]; 0 is off, and above 0 at least one position
            counts. Given like `beta`.
        stages: Stages to amplify.
        scales: Scales to amplify, from 1; overrides `stages`. Scale 0 has one token and is left alone.
        blocks: Transformer blocks that amplify; negative counts from the end (-2 is block 14 of 0…15).
        rule: `logit_bias` adds β before the softmax (Eq. 10, released code); `post_softmax` multiplies afterwards
            (Appendix A).
        renormalize: With `post_softmax`, make the weights sum to 1 again; a factor f then equals a bias of ln f.
        rounding: How ρ times a scale's positions becomes a count: `round` (released code) or `floor` (Algorithm 1).
        saliency: `own` ranks positions in each guidance half by that half's class token (released code);
            `unconditional` uses the unconditional half's ranking in both: it cannot read the label off the condition.

    Raises:
        ValueError: For values that are impossible for any model, or that would change nothing, such as a β for a stage
            without a ρ; the message names the key.
    """

    beta: float | StageValues | list[float] = 5.0
    rho: float | StageValues | list[float] = 0.5
    stages: Sequence[StageName] = ("coarse", "mid", "fine")
    scales: Sequence[int] | None = None
    blocks: Sequence[int] = (-2,)
    rule: Rule = "logit_bias"
    renormalize: bool = True
    rounding: Rounding = "round"
    saliency: SaliencySource = "own"

    def __post_init__(self) -> None:
        for key in ("beta", "rho"):
            value = getattr(self, key)
            if isinstance(value, dict):
                object.__setattr__(self, key, _stage_values(key, value))
        for key, allowed in (("rule", Rule), ("rounding", Rounding), ("saliency", SaliencySource)):
            if getattr(self, key) not in get_args(allowed):
                raise ValueError(
                    f"amplification.{key}={getattr(self, key)!r}: expected one of {list(get_args(allowed))}."
                )
        for number in _numbers(self.beta):
            if not math.isfinite(number) or (self.rule == "post_softmax" and number < 0):
                raise ValueError(
                    f"amplification.beta={self.beta}: expected finite numbers"
                    + (", 0 or more as factors of rule post_softmax." if self.rule == "post_softmax" else ".")
                )
        for number in _numbers(self.rho):
            if not 0 <= number <= 1:
                raise ValueError(f"amplification.rho={self.rho}: expected shares in [0, 1], e.g. 0.5 for the top half.")
        unknown = [stage for stage in self.stages if stage not in STAGES]
        if unknown or isinstance(self.stages, str):
            raise ValueError(f"amplification.stages={self.stages!r}: expected a list of {list(STAGES)}.")
        if self.scales is None and self.stages:
            for key in ("beta", "rho"):
                self._refuse_unreached(key, self.stages, f"amplification.stages={list(self.stages)}")
        if isinstance(self.rho, StageValues):  # a ρ without a β may stay: β is what switches a stage on
            self._refuse_unreached("beta", self.rho.named, "amplification.rho")
        if self.scales is not None and any(scale < 1 for scale in self.scales):
            raise ValueError(
                f"amplification.scales={list(self.scales)}: expected scales from 1; scale 0 is left alone."
            )
        if not self.blocks:
            raise ValueError(
                "amplification.blocks=[]: expected at least one block; to switch off, set amplification: null."
            )

    def _refuse_unreached(self, key: str, reached: Container[str], by: str) -> None:
        """A value for a stage that is not amplified would change nothing, and a sweep over it would be constant."""
        value = getattr(self, key)
        named = value.named if isinstance(value, StageValues) else ()
        unreached = [stage for stage in named if stage not in reached]
        if unreached:
            raise ValueError(
                f"amplification.{key} names {unreached}, {by} leaves them out, so the values would change nothing. "
                f"Add them there, or leave them out of amplification.{key}."
            )

    def schedule(self, scales: Scales, depth: int, class_token_scales: Sequence[int]) -> "Schedule":
        """Resolve for a model.

        Args:
            scales: The model's token maps.
            depth: Its number of blocks.
            class_token_scales: Its scales with a class token.

        Raises:
            ValueError: If a list's length is not ``K``, a block, scale or stage does not exist there, or a scale to
                amplify has no class token. The message names the key.
        """
        chosen = self._chosen_scales(scales)
        identity = 1.0 if self.rule == "post_softmax" else 0.0
        betas = self._per_scale("beta", scales, chosen, identity)
        rhos = self._per_scale("rho", scales, chosen, 0.0)
        active = [k for k in range(len(scales)) if betas[k] != identity and rhos[k] > 0]
        betas = tuple(betas[k] if k in active else identity for k in range(len(scales)))
        rhos = tuple(rhos[k] if k in active else 0.0 for k in range(len(scales)))
        without = [k for k in active if k not in class_token_scales]
        if without:
            raise ValueError(
                f"amplification: scales {without} have no class token in this VAR (it has them at "
                f"{list(class_token_scales)}). Tune class tokens first, or leave those scales out with "
                "amplification.scales; amplification: null generates without amplification."
            )
        missing = [block for block in self.blocks if not -depth <= block < depth]
        if missing:
            raise ValueError(
                f"amplification.blocks={list(self.blocks)}: this VAR has the blocks 0 to {depth - 1} "
                f"(or -{depth} to -1); {missing} are not among them."
            )
        blocks = tuple(sorted({block % depth for block in self.blocks}))
        return Schedule(betas, rhos, blocks, self.rule, self.renormalize, self.rounding, self.saliency)

    def _chosen_scales(self, scales: Scales) -> list[int]:
        if self.scales is not None:
            missing = [scale for scale in self.scales if scale >= len(scales)]
            if missing:
                raise ValueError(
                    f"amplification.scales={list(self.scales)}: this VAR has the scales 0 to {len(scales) - 1}."
                )
            reached = {scales.stage_of(scale) for scale in self.scales}
            for key in ("beta", "rho"):
                self._refuse_unreached(key, reached, f"amplification.scales={list(self.scales)}")
            return sorted(set(self.scales))
        stage_of = {k: scales.stage_of(k) for k in range(1, len(scales))}
        empty = [stage for stage in self.stages if stage not in stage_of.values()]
        if empty:
            raise ValueError(
                f"amplification.stages={list(self.stages)}: {empty} hold no scale of {len(scales)}; "
                f"the stages here are {stage_of}. Leave them out, or name scales with amplification.scales."
            )
        return [k for k, stage in stage_of.items() if stage in self.stages]

    def _per_scale(self, key: str, scales: Scales, chosen: Sequence[int], identity: float) -> tuple[float, ...]:
        value = getattr(self, key)
        if isinstance(value, StageValues):
            per_stage = {stage: getattr(value, stage) for stage in STAGES}
            given = [per_stage.get(scales.stage_of(k)) for k in range(len(scales))]
            values = [identity if number is None else float(number) for number in given]
        elif isinstance(value, Sequence):
            if len(value) != len(scales):
                raise ValueError(
                    f"amplification.{key} has {len(value)} numbers, this VAR has {len(scales)} scales "
                    f"(patch_nums {list(scales.patch_nums)}): expected one per scale, the first is unused."
                )
            values = [float(number) for number in value]
        else:
            values = [float(value)] * len(scales)
        return tuple(values[k] if k in chosen else identity for k in range(len(scales)))


@dataclass(frozen=True)
class Schedule:
    """An amplification resolved for one model.

    Attributes:
        betas: Strength per scale; the rule's identity (0 or 1) where nothing is amplified.
        rhos: Share of salient positions per scale; 0 where nothing is amplified.
        blocks: Amplified blocks, ascending, from 0.
        rule: See `Amplification`, as the three below.
    """

    betas: tuple[float, ...]
    rhos: tuple[float, ...]
    blocks: tuple[int, ...]
    rule: Rule
    renormalize: bool
    rounding: Rounding
    saliency: SaliencySource

    def active(self, scale: int) -> bool:
        """Whether this scale is amplified at all."""
        return self.rhos[scale] > 0

    @property
    def off(self) -> bool:
        """Whether no scale is amplified."""
        return not any(self.rhos)

    def to_json(self) -> dict[str, Any]:
        """Plain values for manifests and samples."""
        described: dict[str, Any] = {
            "beta": list(self.betas),
            "rho": list(self.rhos),
            "rule": self.rule,
            "blocks": list(self.blocks),
            "rounding": self.rounding,
            "saliency": self.saliency,
        }
        if self.rule == "post_softmax":
            described["renormalize"] = self.renormalize
        return described


def _stage_values(key: str, value: dict[str, float]) -> StageValues:
    unknown = sorted(set(value) - set(STAGES))
    if unknown:
        raise ValueError(f"amplification.{key}: unknown stages {unknown}; expected some of {list(STAGES)}.")
    return StageValues(**value)


def _numbers(value: float | StageValues | Sequence[float]) -> list[float]:
    if isinstance(value, StageValues):
        return [number for number in (value.coarse, value.mid, value.fine) if number is not None]
    return list(value) if isinstance(value, Sequence) else [value]
