"""How a set uses the codebook (HIERAMP, Sec. 5.1): per scale, beside the plain set, and position by position."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from hieramp_lit.analysis import Changes, TokenAnalysis, changes
from hieramp_lit.figures.token_changes import ChangeBar, ChangePanel, draw_changes
from hieramp_lit.figures.token_distinct import DistinctRow, draw_distinct
from hieramp_lit.figures.token_statistics import TokenCurve, draw_token_statistics
from hieramp_lit.report.content.pictures import block_titles
from hieramp_lit.report.content.story import Member, Story
from hieramp_lit.report.content.token_counts import TokenCounts
from hieramp_lit.report.page import Block, Column, Figure, Note, Section, Table
from hieramp_lit.report.page.blocks import Cell

_MEASURES = ("entropy", "coverage")


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
            _statistics(found, prefix),
            *_beside_plain(found, members, prefix),
            *_distinct(found, prefix),
            *blocks,
        ]
    draws = max(len(member.draws) for member in shown)
    if draws > 1:
        blocks.append(Note(f"Of {draws} draws the first one's tokens are counted."))
    return Section(f"{prefix}tokens", "Tokens", blocks)


def _draw(member: Member, main: Member) -> Any:
    """The draw of the first seed of what the story is about, where there is one."""
    seed = main.draws[0].manifest.seed if main.draws else None
    return next((shards for shards in member.draws if shards.manifest.seed == seed), member.draws[0])


def _statistics(found: Mapping[str, TokenAnalysis], prefix: str) -> Figure:
    first = next(iter(found.values()))
    scales = first.maps.scales
    same = {title: one for title, one in found.items() if one.maps.scales == scales}
    per_scale = {title: one.per_scale() for title, one in same.items()}
    curves = [
        TokenCurve(
            title,
            [row["entropy"] for row in rows],
            [row["coverage"] for row in rows],
            [row["class_entropy_mean"] for row in rows],
            [row["class_entropy_std"] for row in rows],
            [row["class_coverage_mean"] for row in rows],
            [row["class_coverage_std"] for row in rows],
        )
        for title, rows in per_scale.items()
    ]
    stages = [str(scales.stage_of(scale)) for scale in range(len(scales))]
    rows = [
        [title, row["scale"], f"{row['side']}×{row['side']}", row["stage"], row["entropy"], 100 * row["coverage"],
         row["class_entropy_mean"], 100 * row["class_coverage_mean"]]
        for title, of_set in per_scale.items()
        for row in of_set
    ]  # fmt: skip
    columns = (Column("set"), Column("scale", 0, True), Column("tokens"), Column("stage"),
               Column("entropy, nats", 3, True), Column("coverage, %", 1, True),
               Column("entropy of a class, nats", 3, True), Column("coverage of a class, %", 1, True))  # fmt: skip
    told = "; ".join(
        f"{title}: entropy {of_set[0]['entropy']:.2f} nats at the coarsest scale, {of_set[-1]['entropy']:.2f} at the "
        f"finest; coverage {100 * of_set[0]['coverage']:.0f} % and {100 * of_set[-1]['coverage']:.0f} %"
        for title, of_set in per_scale.items()
    )
    return Figure(
        f"{prefix}token-statistics",
        "Entropy and coverage over the scales",
        f"{told}.",
        f"Entropy (Eq. 12) and share of the {first.maps.vocab_size} codes in use (Eq. 13) of the whole set and of its "
        "classes, mean ± sample standard deviation over the classes.",
        {title: {"per_scale": of_set} for title, of_set in per_scale.items()},
        partial(draw_token_statistics, scales.patch_nums, stages, curves),
        Table(f"{prefix}token-statistics-table", "Entropy and coverage over the scales", columns, rows, folded=True),
    )


def _beside_plain(found: Mapping[str, TokenAnalysis], members: Sequence[Member], prefix: str) -> list[Block]:
    kinds = dict(zip(found, members, strict=True))
    plain = next((title for title, member in kinds.items() if member.kind == "plain"), None)
    ours = [title for title, member in kinds.items() if member.kind == "amplified"]
    if not ours:
        return []
    if plain is None:
        return [Note("No plain set of the same seed, so nothing tells what amplification changes: generate one with "
                     "--model.amplification null, and give it by --against.", "missing")]  # fmt: skip
    return compared({title: found[title] for title in ours}, found[plain], prefix)


def compared(ours: Mapping[str, TokenAnalysis], plain: TokenAnalysis, prefix: str) -> list[Block]:
    """What becomes of the classes beside the plain set (Fig. 3, 8, 9), one bar a set and one panel a stage.

    Args:
        ours: Amplified sets by their names.
        plain: The set with nothing amplified.
        prefix: Of all ids.
    """
    found, blocks = dict[str, Changes](), list[Block]()
    for title, one in ours.items():
        try:
            found[title] = changes(one, plain)
        except ValueError as error:
            blocks.append(Note(f"What changes from plain to {title} cannot be told: {error}", "missing"))
    if not found:
        return blocks
    notes = dict.fromkeys(note for one in found.values() for note in one.notes)
    return [
        *(_changes(found, measure, prefix) for measure in _MEASURES),
        *blocks,
        *(Note(one, "warning") for one in notes),
    ]


def _changes(found: Mapping[str, Changes], measure: str, prefix: str) -> Figure:
    stages = list(next(iter(found.values())).stages[measure])
    panels = [
        ChangePanel(
            f"{stage} scales",
            [ChangeBar(title, one.stages[measure][stage].rise, one.stages[measure][stage].stay,
                       one.stages[measure][stage].fall) for title, one in found.items()],
        )
        for stage in stages
    ]  # fmt: skip
    rows, classes = list[list[Cell]](), 0
    for title, one in found.items():
        for stage in stages:
            change = one.stages[measure][stage]
            classes = change.classes
            rows.append([title, stage, *(100 * count / classes for count in (change.rise, change.stay, change.fall)),
                         change.mean])  # fmt: skip
    first = next(iter(found.items()))
    told = ", ".join(f"{stage} {100 * first[1].stages[measure][stage].rise / classes:.0f} %" for stage in stages)
    unit = "nats" if measure == "entropy" else "share of the codebook"
    columns = (Column("set"), Column("stage of the tokens"), Column("rises, %", 1, True), Column("stays, %", 1, True),
               Column("falls, %", 1, True), Column(f"mean change, {unit}", 4, True))  # fmt: skip
    return Figure(
        f"{prefix}changes-{measure}",
        f"Classes whose {measure} rises, stays and falls beside plain",
        f"{first[0]}: it rises in {told} of the classes" + (f"; {len(found)} sets in all." if len(found) > 1 else "."),
        f"Shares of the {classes} classes, by the mean {measure} of their tokens over the scales of each stage, beside "
        "the set of the same seed with nothing amplified (as Fig. 3).",
        {title: one.as_json()["stages"][measure] for title, one in found.items()},
        partial(draw_changes, panels, measure),
        Table(f"{prefix}changes-{measure}-table", f"Changes of {measure}", columns, rows, folded=True),
    )


def _distinct(found: Mapping[str, TokenAnalysis], prefix: str) -> list[Block]:
    first = next(iter(found.values()))
    if not first.distinct:
        return [Note("Codes at each position (Fig. 4) need two images of a class or more.", "missing")]
    blocks: list[Block] = []
    for cls in first.distinct:
        images, name = int(first.images_C[cls]), first.classes.names[cls]
        rows = [
            DistinctRow(title, [counts.tolist() for counts in one.distinct[cls]])
            for title, one in found.items()
            if cls in one.distinct and one.maps == first.maps and int(one.images_C[cls]) == images
        ]
        means = {row.title: [_mean(counts) for counts in row.counts] for row in rows}
        told = "; ".join(f"{title}: {', '.join(f'{mean:.1f}' for mean in of_set)}" for title, of_set in means.items())
        columns = [Column("set"), *(Column(f"{side}×{side}", 2, True) for side in first.maps.scales.patch_nums)]
        table = Table(f"{prefix}distinct-{cls}-table", "Mean number of different codes", columns,
                      [[title, *of_set] for title, of_set in means.items()], folded=True)  # fmt: skip
        blocks.append(
            Figure(
                f"{prefix}distinct-{cls}",
                f"Different codes at each position: class {name}",
                f"Mean number of codes from coarse to fine, {told}.",
                f"How many different codes the {images} images of the class have at each position of each scale; the "
                "mean in the corner (as Fig. 4).",
                {row.title: {"counts": row.counts, "means": means[row.title]} for row in rows},
                partial(draw_distinct, rows, images, f"class {name}"),
                table,
            )
        )
    return blocks


def _mean(counts: Sequence[Sequence[int]]) -> float:
    values = [value for row in counts for value in row]
    return sum(values) / len(values)
