"""From sources to a whole report: its sections in order, its title and what came out in one line."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from hieramp_lit.report.content.accuracy import accuracy_blocks, accuracy_section, judged_of, lead, sentence
from hieramp_lit.report.content.cost import cost_section
from hieramp_lit.report.content.failures import failures
from hieramp_lit.report.content.learning import learning
from hieramp_lit.report.content.making import making
from hieramp_lit.report.content.pictures import pictures
from hieramp_lit.report.content.quality import quality
from hieramp_lit.report.content.read_sweep import Sweep, best_story
from hieramp_lit.report.content.saliency import saliency_section
from hieramp_lit.report.content.story import Member, Story
from hieramp_lit.report.content.sweep_cost import sweep_cost
from hieramp_lit.report.content.sweep_sections import found_line, landscape, overview
from hieramp_lit.report.content.sweep_tokens import sweep_tokens
from hieramp_lit.report.content.token_counts import TokenCounts
from hieramp_lit.report.content.tokens import tokens_section
from hieramp_lit.report.content.tuning import tuning_section
from hieramp_lit.report.page import Report, Section
from hieramp_lit.report.table import accuracy

Part = Callable[[], Section | None]
Progress = Callable[[int, int], None]


def assemble(sources: Sequence[Story | Sweep], counts: TokenCounts, progress: Progress | None = None) -> Report:
    """Build all sections.

    Args:
        sources: At least one; several are compared first, and each then has its part.
        counts: Counts tokens.
        progress: Told how many sections of how many are built.
    """
    parts: list[Part] = []
    titles: list[str] = []
    if len(sources) > 1:
        parts.append(partial(_compared, sources))
        titles.append("")
    for number, source in enumerate(sources, 1):
        several = len(sources) > 1
        own = _parts(source, f"source{number}-" if several else "", counts)
        parts += own
        titles += [f"{source.name}: " if several else ""] * len(own)
    sections = []
    for number, (title, part) in enumerate(zip(titles, parts, strict=True), 1):
        section = part()
        if section is not None:
            sections.append(replace(section, title=title + section.title))
        if progress is not None:
            progress(number, len(parts))
    return Report(_title(sources), _subtitle(sources), sections)


def _parts(source: Story | Sweep, prefix: str, counts: TokenCounts) -> list[Part]:
    if isinstance(source, Story):
        return _story_parts(source, prefix, counts)
    parts: list[Part] = [
        partial(overview, source, prefix),
        partial(landscape, source, prefix),
        partial(sweep_tokens, source, prefix, counts),
        partial(sweep_cost, source, prefix),
    ]
    best = best_story(source)
    if best is not None:
        parts += [partial(_of_best, part) for part in _story_parts(best, f"{prefix}best-", counts)]
    return parts


def _of_best(part: Part) -> Section | None:
    section = part()
    return (
        None
        if section is None
        else replace(section, title=f"Best trial: {section.title[0].lower()}{section.title[1:]}")
    )


def _story_parts(story: Story, prefix: str, counts: TokenCounts) -> list[Part]:
    judging: list[Part] = [partial(accuracy_section, story, prefix)]
    is_judged = any(member.result is not None for member in story.members)
    return [
        *(judging if is_judged else []),
        partial(pictures, story, prefix),
        partial(making, story, prefix),
        partial(learning, story, prefix),
        partial(tokens_section, story, prefix, counts),
        partial(saliency_section, story, prefix),
        partial(quality, story, prefix),
        partial(failures, story, prefix),
        partial(tuning_section, story, prefix),
        *([] if is_judged else judging),
        partial(cost_section, story, prefix),
    ]


def _compared(sources: Sequence[Story | Sweep]) -> Section | None:
    judged = []
    for source in sources:
        story = source if isinstance(source, Story) else best_story(source)
        if story is not None:
            prefix = f"{source.name}{'' if isinstance(source, Story) else ', best trial'}: "
            judged += judged_of(story.members, prefix)
    if not judged:
        return None
    best = max(judged, key=lambda one: float(one.result["summary"]["mean"]["top1_last"]))
    told = f"Highest after the last epoch: {best.title}, {accuracy(best.result, 'top1_last')} %."
    return Section("compared", "Side by side", accuracy_blocks(judged, "compared-"), told)


def _title(sources: Sequence[Story | Sweep]) -> str:
    if len(sources) > 1:
        return " and ".join(source.name for source in sources[:3]) + (" and more" if len(sources) > 3 else "")
    source = sources[0]
    if isinstance(source, Sweep):
        return f"Sweep {source.name}"
    return source.name.capitalize() if source.name == source.what else f"{source.what.capitalize()} {source.name}"


def _subtitle(sources: Sequence[Story | Sweep]) -> str:
    return " ".join(found_line(source) if isinstance(source, Sweep) else _line(source) for source in sources[:3])


def _line(story: Story) -> str:
    size = _size(story.main)
    judged = judged_of(story.members)
    if not judged:
        return f"{sentence(story.main.title)}{size}."
    counted = f" {size.removeprefix(', ').capitalize()}." if size else ""
    return lead(judged) + counted


def _size(member: Member) -> str:
    if member.draws:
        shards = member.draws[0]
        classes, each = len(shards.classes), shards.manifest.images_per_class
    else:
        described = (member.result or {}).get("set") or {}
        classes, each = described.get("classes") or 0, described.get("images_per_class") or 0
    return f", {each} image{'s' if each > 1 else ''} of each of {classes} classes" if classes and each else ""
