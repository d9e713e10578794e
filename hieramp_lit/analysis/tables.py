"""Token analyses for a terminal."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hieramp_lit.analysis.changes import MEASURES, Changes
from hieramp_lit.analysis.tokens import TokenAnalysis


def show(
    analyses: Mapping[str, TokenAnalysis], found: Mapping[str, Changes], against: str | None, notes: Sequence[str]
) -> RenderableType:
    """Tables: statistics of the stages, changes of the stages, different codes of the chosen classes; then notes.

    Args:
        analyses: By the names of the sets.
        found: Changes of sets beside `against`.
        against: Name of that set.
        notes: Sentences to add.
    """
    parts: list[RenderableType] = [_stages(analyses)]
    if found:
        parts.append(_changes(found, str(against)))
    chosen = {cls: one.classes.entries[cls].name for one in analyses.values() for cls in one.distinct}
    if chosen:
        parts.append(_distinct(analyses, chosen))
    parts += [Text(f"note: {note}") for note in dict.fromkeys(notes)]
    return Group(*parts)


def _stages(analyses: Mapping[str, TokenAnalysis]) -> Table:
    table = Table(title="tokens of a class, mean over the classes: entropy in nats, and coverage in %")
    table.add_column("set")
    table.add_column("images", justify="right")
    stages = list(next(iter(analyses.values())).stages(next(iter(analyses.values())).entropy_CK))
    for stage in stages:
        table.add_column(stage, justify="right")
    for name, one in analyses.items():
        entropy, coverage = one.stages(one.entropy_CK), one.stages(one.coverage_CK)
        cells = [f"{entropy[stage].mean():.3f}  {100 * coverage[stage].mean():5.2f}" for stage in stages]
        table.add_row(Text(name), str(one.images_C.sum()), *cells)
    return table


def _changes(found: Mapping[str, Changes], against: str) -> Table:
    table = Table(title=Text(f"beside “{against}”: % of classes that rise / stay / fall"))
    table.add_column("set")
    table.add_column("measure")
    stages = list(next(iter(found.values())).stages[MEASURES[0]])
    for stage in stages:
        table.add_column(stage, justify="right")
    for name, changes in found.items():
        for measure in MEASURES:
            cells = []
            for stage in stages:
                one = changes.stages[measure][stage]
                cells.append(" / ".join(f"{100 * n / one.classes:.0f}" for n in (one.rise, one.stay, one.fall)))
            table.add_row(Text(name if measure == MEASURES[0] else ""), measure, *cells)
    return table


def _distinct(analyses: Mapping[str, TokenAnalysis], chosen: Mapping[int, str]) -> Table:
    first = next(iter(analyses.values()))
    table = Table(title="different codes at a position, mean, by side of the token map")
    table.add_column("class")
    table.add_column("set")
    for side in first.maps.scales.patch_nums:
        table.add_column(str(side), justify="right")
    for cls, name in chosen.items():
        for place, (label, one) in enumerate(analyses.items()):
            means = [f"{counts.mean():.1f}" for counts in one.distinct[cls]]
            table.add_row(Text(name if not place else ""), Text(label), *means)
    return table
