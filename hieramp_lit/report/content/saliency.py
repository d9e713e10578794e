"""Where class tokens look: their maps over a few images, and how spread these are."""

from collections.abc import Sequence
from functools import partial

from hieramp_lit.analysis.saliency import (
    MapMeasures,
    StripRow,
    chosen_positions,
    draw_strips,
    has_maps,
    patch_nums_of,
    stored_maps,
)
from hieramp_lit.figures.saliency_entropy import EntropyLine, draw_saliency_entropy
from hieramp_lit.report.content.pictures import alike, block_titles
from hieramp_lit.report.content.story import Member, Story
from hieramp_lit.report.page import Block, Column, Figure, Note, Picture, Section, Table
from hieramp_lit.report.page.blocks import Cell
from hieramp_lit.shards import ShardError

_STRIPS = 3
_MOST_MEASURED = 60
"""Images whose maps are measured: a shard is read whole for each class, so not all of a large set."""
_STORE = (
    "`hieramp predict` stores them with --model.save_saliency true, in another folder, as maps belong to the set; "
    "`hieramp analyze SET --config ITS.yaml` makes them again from the weights."
)


def saliency_section(story: Story, prefix: str) -> Section | None:
    """The section of one story; None where no set can have maps.

    Args:
        story: The story.
        prefix: Of all ids.
    """
    with_tokens = [member for member in story.members if member.draws and patch_nums_of(member.draws[0]) is not None]
    if not with_tokens:
        return None
    section, title = f"{prefix}saliency", "Where class tokens look"
    mapped = [member for member in with_tokens if has_maps(member.draws[0])]
    if not mapped:
        text = f"{with_tokens[0].draws[0].path} stores no saliency maps. {_STORE}"
        return Section(section, title, [Note(text, "missing")])
    shown, _ = alike(mapped)
    blocks: list[Block] = []
    try:
        blocks.append(_strips(shown, prefix))
        blocks.append(_entropy(shown, prefix))
    except (ShardError, ValueError) as error:
        blocks.append(Note(f"Maps that cannot be shown: {error}", "warning"))
    without = [member.title for member in with_tokens if member not in shown]
    if without:
        blocks.append(Note(f"Without maps, or of other classes or seeds: {', '.join(without)}. {_STORE}", "missing"))
    return Section(section, title, blocks)


def _strips(members: Sequence[Member], prefix: str) -> Picture:
    titles = block_titles(members)
    first = members[0].draws[0]
    classes = [
        position // first.manifest.images_per_class for position in chosen_positions(first, most_classes=_STRIPS)
    ]
    found = [
        stored_maps(member.draws[0], [cls * member.draws[0].manifest.images_per_class for cls in classes])
        for member in members
    ]
    rows, keys = [], []
    for place, cls in enumerate(classes):
        for title, images in zip(titles, found, strict=True):
            one = images[place]
            rows.append(StripRow(f"{first.classes.names[cls]}\n{title}", one.image, one.maps))
        keys.append(found[0][place].key)
    what = " and ".join(titles)
    return Picture(
        f"{prefix}saliency-strips",
        "Saliency from coarse to fine",
        f"Class-token maps over {len(keys)} images, {what}, one column a scale.",
        f"Each scale's class token's attention to the positions of its scale, brightest where it looks most; {what}, "
        f"images {', '.join(keys)}.",
        draw_strips(rows, group=len(members)),
        {"images": keys, "sets": [str(member.draws[0].path) for member in members]},
    )


def _entropy(members: Sequence[Member], prefix: str) -> Figure:
    sides = patch_nums_of(members[0].draws[0]) or ()
    lines, numbers, counts = {}, {}, []
    rows: list[list[Cell]] = []
    for title, member in zip(block_titles(members), members, strict=True):
        measures = MapMeasures(sides)
        for one in stored_maps(member.draws[0], chosen_positions(member.draws[0], most_classes=_MOST_MEASURED)):
            measures.add(one.key, one.cls, one.maps)
        means = measures.scale_means()
        lines[title] = EntropyLine(
            [one.mean for one in means["entropy_share"]], [one.std for one in means["entropy_share"]]
        )
        numbers[title] = {
            "entropy": [one.mean for one in means["entropy"]], "entropy_share": list(lines[title].means),
            "entropy_share_std": list(lines[title].stds), "images": measures.keys,
        }  # fmt: skip
        counts.append(len(measures.keys))
        for scale, (nats, share) in enumerate(zip(means["entropy"], means["entropy_share"], strict=True)):
            if nats.mean is not None:
                rows.append([title, scale, f"{sides[scale]}×{sides[scale]}", nats.mean,
                             None if share.mean is None else 100 * share.mean,
                             None if share.std is None else 100 * share.std])  # fmt: skip
    told = "; ".join(
        f"{title}: {', '.join(f'{100 * share:.0f} %' for share in line.means if share is not None)} from coarse to fine"
        for title, line in lines.items()
    )
    columns = (Column("set"), Column("scale", 0, True), Column("tokens"), Column("entropy, nats", 3, True),
               Column("of the highest, %", 1, True), Column("±", 1, True))  # fmt: skip
    count = " or ".join(map(str, sorted(set(counts))))
    return Figure(
        f"{prefix}saliency-entropy",
        "Entropy of the maps",
        f"{told}.",
        f"Entropy of a map as share of ln(side²), the highest there is: 100 % looks everywhere, 0 % at one position. "
        f"Mean ± sample standard deviation over the first images of {count} classes.",
        numbers,
        partial(draw_saliency_entropy, lines, sides),
        Table(f"{prefix}saliency-entropy-table", "Entropy of the maps", columns, rows, folded=True),
    )
