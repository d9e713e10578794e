"""How a set uses the codebook (HIERAMP, Sec. 5.1): per scale, beside the plain set, and position by position."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hieramp_lit.analysis import Changes, TokenAnalysis, changes
from hieramp_lit.analysis.token_figures import (
    TokenFigure,
    distinct_figure,
    stage_change_figures,
    statistics_figure,
)
from hieramp_lit.report.content.pictures import block_titles
from hieramp_lit.report.content.story import Member, Story
from hieramp_lit.report.content.token_counts import TokenCounts
from hieramp_lit.report.page import Block, Figure, Note, Section

_PLAIN = "plain"


def tokens_section(story: Story, prefix: str, counts: TokenCounts) -> Section | None:
    """The section of one story; None where no set is there to count.

    Args:
        story: The story.
        prefix: Of all ids.
        counts: Counts tokens.
    """
    shown = [member for member in story.members if member.draws and member.kind != "real"]
    if not shown:
        return None
    blocks: list[Block] = []
    found = dict[str, TokenAnalysis]()
    members = list[Member]()
    for title, member in zip(block_titles(shown), shown, strict=True):
        counted = counts.of(_draw(member, story.main))
        if isinstance(counted, str):
            blocks.append(Note(counted, "missing"))
        else:
            found[title] = counted
            members.append(member)
    if found:
        blocks = [
            _prefixed(statistics_figure(_alike(found)), prefix),
            *_beside_plain(found, members, prefix),
            *_distinct(found, prefix),
            *blocks,
        ]
    draws = max(len(member.draws) for member in shown)
    if draws > 1:
        blocks.append(Note(f"Of {draws} draws the first one's tokens are counted."))
    return Section(f"{prefix}tokens", "Tokens", blocks)


def compared(pairs: Mapping[str, tuple[TokenAnalysis, TokenAnalysis]], prefix: str) -> list[Block]:
    """What becomes of the classes beside the plain set (Fig. 3, 8, 9), one bar a set and one panel a stage.

    Args:
        pairs: Amplified set and the same with nothing amplified, by the names of the first.
        prefix: Of all ids.
    """
    found, missing = dict[str, Changes](), list[Block]()
    for title, (ours, plain) in pairs.items():
        try:
            found[title] = changes(ours, plain)
        except ValueError as error:
            missing.append(Note(f"What changes from plain to {title} cannot be told: {error}", "missing"))
    notes = dict.fromkeys(note for one in found.values() for note in one.notes)
    drawn = stage_change_figures(found, _PLAIN) if found else []
    return [*(_prefixed(one, prefix) for one in drawn), *missing, *(Note(one, "warning") for one in notes)]


def _draw(member: Member, main: Member) -> Any:
    """The draw of the first seed of what the story is about, where there is one."""
    seed = main.draws[0].manifest.seed if main.draws else None
    return next((shards for shards in member.draws if shards.manifest.seed == seed), member.draws[0])


def _alike(found: Mapping[str, TokenAnalysis]) -> dict[str, TokenAnalysis]:
    """Those of the first one's token maps: scales of others do not correspond."""
    first = next(iter(found.values()))
    return {title: one for title, one in found.items() if one.maps == first.maps}


def _beside_plain(found: Mapping[str, TokenAnalysis], members: Sequence[Member], prefix: str) -> list[Block]:
    kinds = dict(zip(found, members, strict=True))
    plain = next((title for title, member in kinds.items() if member.kind == "plain"), None)
    ours = [title for title, member in kinds.items() if member.kind == "amplified"]
    if not ours:
        return []
    if plain is None:
        return [Note("No plain set of the same seed, so nothing tells what amplification changes: generate one with "
                     "--model.amplification null, and give it by --against.", "missing")]  # fmt: skip
    return compared({title: (found[title], found[plain]) for title in ours}, prefix)


def _distinct(found: Mapping[str, TokenAnalysis], prefix: str) -> list[Block]:
    alike = _alike(found)
    first = next(iter(alike.values()))
    if not first.distinct:
        return [Note("Codes at each position (Fig. 4) need two images of a class or more.", "missing")]
    blocks: list[Block] = []
    for cls in first.distinct:
        of_one_size = {
            title: one
            for title, one in alike.items()
            if cls in one.distinct and int(one.images_C[cls]) == int(first.images_C[cls])
        }
        blocks.append(_prefixed(distinct_figure(of_one_size, cls), prefix))
    return blocks


def _prefixed(drawn: TokenFigure, prefix: str) -> Figure:
    figure = drawn.figure
    table = None if figure.table is None else replace(figure.table, id=f"{prefix}{figure.table.id}")
    return replace(figure, id=f"{prefix}{figure.id}", table=table)
