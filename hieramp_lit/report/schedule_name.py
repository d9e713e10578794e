"""What a set's schedule is called in the paper's Tables 3 and 4, from the β and ρ of its scales."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from hieramp_lit.var import STAGES, Scales

OFF = "no amplification"
FINAL = "full 5 50%"
"""Of the paper's main results."""
_PAPER = {"rule": "logit_bias", "blocks": [14], "rounding": "round", "saliency": "own"}
_PAPER_SAMPLING = {"cfg": 4.0, "top_k": 900, "top_p": 0.95}
_PAPER_PATCH_NUMS = [1, 2, 3, 4, 5, 6, 8, 10, 13, 16]


class ScheduleName(NamedTuple):
    """A schedule in the paper's words.

    Attributes:
        name: ``coarse 5 30%`` (stages, β, ρ), ``full 5 50%``, ``C-M-F 0.1-5-5`` (ρ 50 %) or `OFF`.
        others: What is not as in the paper, in words; a published VAR is expected to be sampled and amplified as there.
    """

    name: str
    others: tuple[str, ...]


def name_schedule(configuration: Mapping[str, Any]) -> ScheduleName:
    """Name the schedule of a set that VAR made.

    Args:
        configuration: ``set.configuration`` of a ``result.json``.

    Raises:
        ValueError: If it is no configuration of such a set.
    """
    try:
        patch_nums = list(configuration["tokens"]["patch_nums"])
        schedule = configuration["schedule"]
        sampling = configuration["sampling"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"set.configuration has no {error}, which sets of VAR have") from error
    published = patch_nums == _PAPER_PATCH_NUMS
    others = [
        f"{key} {sampling.get(key)}"
        for key, value in _PAPER_SAMPLING.items()
        if published and sampling.get(key) != value
    ]
    if schedule is None:
        return ScheduleName(OFF, tuple(others))
    others += [
        f"{key} {schedule[key]}"
        for key, value in _PAPER.items()
        if schedule[key] != value and (key != "blocks" or published)
    ]
    if schedule.get("renormalize") is False:  # stands there with the rule post_softmax alone; with it the paper's bias
        others.append("not renormalized")
    stages = _values(Scales(patch_nums), schedule)
    if stages is None:
        pairs = zip(schedule["beta"][1:], schedule["rho"][1:], strict=True)
        return ScheduleName("by scale " + " ".join(f"{beta:g}/{_share(rho)}" for beta, rho in pairs), tuple(others))
    active = {stage: pair for stage, pair in stages.items() if pair[1] > 0}
    if len(set(active.values())) == 1:
        ((beta, rho),) = set(active.values())
        where = "full" if len(active) == len(stages) else "+".join(active)
        return ScheduleName(f"{where} {beta:g} {_share(rho)}", tuple(others))
    name = "C-M-F " + "-".join(f"{beta if rho > 0 else 0:g}" for beta, rho in stages.values())
    shares = [_share(rho) for rho in dict.fromkeys(rho for _, rho in active.values())]
    if shares != ["50%"]:
        name += " ρ " + (shares[0] if len(shares) == 1 else "-".join(_share(rho) for _, rho in stages.values()))
    return ScheduleName(name, tuple(others))


def _values(scales: Scales, schedule: Mapping[str, Any]) -> dict[str, tuple[float, float]] | None:
    """β and ρ of each stage; None if they differ within one."""
    found: dict[str, tuple[float, float]] = {}
    for stage in STAGES:
        own = [scale for scale in range(len(scales)) if scales.stage_of(scale) == stage]
        pairs = {(float(schedule["beta"][scale]), float(schedule["rho"][scale])) for scale in own}
        if len(pairs) > 1:
            return None
        if pairs:
            found[stage] = pairs.pop()
    return found


def _share(rho: float) -> str:
    return f"{100 * rho:g}%"
