"""What amplification of one stage does to the tokens, trial by trial (HIERAMP, Fig. 3)."""

from hieramp_lit.analysis import TokenAnalysis
from hieramp_lit.report.content.read_sweep import Sweep
from hieramp_lit.report.content.sweep_grid import strength_of
from hieramp_lit.report.content.token_counts import TokenCounts
from hieramp_lit.report.content.tokens import compared
from hieramp_lit.report.page import Block, Note, Section
from hieramp_lit.var import STAGES


def sweep_tokens(sweep: Sweep, prefix: str, counts: TokenCounts) -> Section | None:
    """Every trial that amplifies one stage, beside the one that amplifies nothing; None without such trials.

    Args:
        sweep: The sweep.
        prefix: Of all ids.
        counts: Counts tokens.
    """
    found = [(strength, trial) for trial in sweep.trials if (strength := strength_of(trial)) is not None]
    of_one = sorted(
        ((strength, trial) for strength, trial in found if strength.stages in STAGES),
        key=lambda pair: (STAGES.index(pair[0].stages), pair[0].beta, pair[0].rho),
    )
    if not of_one:
        return None
    section, title = f"{prefix}sweep-tokens", "What amplifying one stage does to the tokens"
    off = sweep.off
    plain = None if off is None or off.story is None or not off.story.main.draws else off.story.main.draws[0]
    if plain is None:
        text = "The sweep has no trial with generate.model.amplification null whose set is there to compare with."
        return Section(section, title, [Note(text, "missing")])
    base = counts.of(plain)
    if isinstance(base, str):
        return Section(section, title, [Note(base, "missing")])
    analyses, blocks = dict[str, TokenAnalysis](), list[Block]()
    for strength, trial in of_one:
        draws = trial.story.main.draws if trial.story is not None else ()
        if not draws:
            blocks.append(Note(f"The set of {strength.words} ({trial.id}) is gone.", "missing"))
            continue
        counted = counts.of(draws[0])
        if isinstance(counted, str):
            blocks.append(Note(counted, "missing"))
        else:
            name = strength.words if strength.words not in analyses else f"{strength.words} ({trial.id})"
            analyses[name] = counted
    return Section(section, title, [*compared(analyses, base, f"{prefix}sweep-"), *blocks])
