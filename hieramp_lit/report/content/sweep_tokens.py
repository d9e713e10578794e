"""What amplification does to the tokens, trial by trial (HIERAMP, Fig. 3, 8, 9)."""

from hieramp_lit.analysis import TokenAnalysis
from hieramp_lit.report.content.read_sweep import TOLERANCE, Sweep, SweptTrial
from hieramp_lit.report.content.story import Story, same_plan
from hieramp_lit.report.content.sweep_grid import strength_of
from hieramp_lit.report.content.token_counts import TokenCounts
from hieramp_lit.report.content.tokens import compared
from hieramp_lit.report.page import Block, Note, Section
from hieramp_lit.shards import ShardSet
from hieramp_lit.var import STAGES

_MOST = 40
"""Trials that a drawing has room for."""


def sweep_tokens(sweep: Sweep, prefix: str, counts: TokenCounts) -> Section | None:
    """Every trial that amplifies, beside the same with nothing amplified; None without such trials.

    Args:
        sweep: The sweep.
        prefix: Of all ids.
        counts: Counts tokens.
    """
    trials = sorted((trial for trial in sweep.trials if _amplifies(trial)), key=_place)
    if not trials:
        return None
    off = None if sweep.off is None else sweep.off.story
    pairs, blocks = dict[str, tuple[TokenAnalysis, TokenAnalysis]](), list[Block]()
    for trial in trials[:_MOST]:
        strength = strength_of(trial)
        name = sweep.words(trial) if strength is None else strength.words
        found = _pair(trial, off, counts)
        if isinstance(found, str):
            blocks.append(Note(f"{name} ({trial.id}): {found}", "missing"))
        else:
            pairs[name if name not in pairs else f"{name} ({trial.id})"] = found
    if len(trials) > _MOST:
        text = f"The first {_MOST} of {len(trials)} trials; `hieramp analyze SET … --against PLAIN` takes the others."
        blocks.append(Note(text, "missing"))
    title = "What amplification does to the tokens"
    return Section(f"{prefix}sweep-tokens", title, [*compared(pairs, f"{prefix}sweep-"), *blocks])


def _amplifies(trial: SweptTrial) -> bool:
    return any(value > TOLERANCE for name, value in trial.summary.items() if name.startswith("rho/"))


def _place(trial: SweptTrial) -> tuple[int, str, float, float]:
    """Single stages from coarse to fine, then several of one strength, then the others."""
    strength = strength_of(trial)
    if strength is None:
        return (len(STAGES) + 1, "", 0.0, 0.0)
    stage = next((place for place, stage in enumerate(STAGES) if strength.stages == stage), len(STAGES))
    return (stage, strength.stages, strength.beta, strength.rho)


def _pair(trial: SweptTrial, off: Story | None, counts: TokenCounts) -> tuple[TokenAnalysis, TokenAnalysis] | str:
    """A trial's set and its plain one: the trial's own, else the sweep's; in words why there is none."""
    ours = _set_of(trial.story)
    if ours is None:
        return "the set is gone."
    own = None if trial.story is None else trial.story.beside("plain")
    offered = [None if own is None or not own.draws else own.draws[0], _set_of(off)]
    plain = next((one for one in offered if one is not None and same_plan(ours, one)), None)
    if plain is None:
        return (
            "no set of the same seed, classes and images per class with nothing amplified: a trial of the sweep with "
            "`generate.model.amplification: null` makes one, and so does `off: {}` in each trial's configuration."
        )
    counted, base = counts.of(ours), counts.of(plain)
    if isinstance(counted, str):
        return counted
    return base if isinstance(base, str) else (counted, base)


def _set_of(story: Story | None) -> ShardSet | None:
    return story.main.draws[0] if story is not None and story.main.draws else None
