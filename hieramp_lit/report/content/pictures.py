"""What the images look like: sets of equal seeds side by side, classes spread evenly."""

from collections.abc import Sequence

from hieramp_lit.report.content.story import TITLES, Member, Story
from hieramp_lit.report.page import Block, Note, Picture, Section
from hieramp_lit.shards import ShardError, ShardSet, contact_sheet, side_by_side

_MOST_CLASSES = 12
_WIDTH = 980
"""Of a sheet in pixels: what a page shows without making it smaller."""
_GAP = 4
_SMALL, _CELL_OF_SMALL, _CELL = 64, 64, 104


def pictures(story: Story, prefix: str) -> Section | None:
    """The section of one story; None where no set is there to be shown.

    Args:
        story: The story.
        prefix: Of all ids.
    """
    shown = [member for member in story.members if member.draws]
    if not shown:
        return None
    beside, apart = alike(shown)
    blocks: list[Block] = []
    try:
        blocks.append(_side_by_side(beside, prefix))
        blocks += [_alone(member, f"{prefix}contact-sheet-{number}") for number, member in enumerate(apart, 2)]
    except (ShardError, ValueError) as error:
        blocks.append(Note(f"Images that cannot be shown: {error}", "warning"))
    if not any(member.kind == "plain" for member in shown) and story.main.kind == "amplified":
        blocks.append(
            Note(
                "No plain images of the same seed beside: generate them with --model.amplification null (in a trial: "
                "`off: {}`), and give that set by --against.",
                "missing",
            )
        )
    return Section(f"{prefix}pictures", "Images", blocks)


def alike(members: Sequence[Member]) -> tuple[list[Member], list[Member]]:
    """Members whose draws have the classes and seeds of the first one's; and the others."""

    def identity(member: Member) -> tuple[object, ...]:
        return member.draws[0].classes, tuple(shards.manifest.seed for shards in member.draws)

    beside = [member for member in members if identity(member) == identity(members[0])]
    return beside, [member for member in members if identity(member) != identity(members[0])]


def short_title(member: Member) -> str:
    """What a block of images is called: the sort of set where that tells it, else its whole title."""
    return TITLES.get(member.kind, member.title)


def block_titles(members: Sequence[Member]) -> list[str]:
    """A title for each member, no two the same."""
    short = [short_title(member) for member in members]
    return [member.title if short.count(title) > 1 else title for title, member in zip(short, members, strict=True)]


def _side_by_side(members: Sequence[Member], prefix: str) -> Picture:
    titles = block_titles(members)
    draws = len(members[0].draws)
    cell = _cell(members[0].draws[0])
    columns = max(1, _WIDTH // (cell + _GAP) // (len(members) * draws))
    images = max(1, min(columns, *(shards.manifest.images_per_class for one in members for shards in one.draws)))
    blocks = {title: list(member.draws) for title, member in zip(titles, members, strict=True)}
    sheet = side_by_side(blocks, max_classes=_MOST_CLASSES, max_images=images, cell=cell)
    classes = len(members[0].draws[0].classes)
    rows = min(classes, _MOST_CLASSES)
    seeds = ", ".join(str(shards.manifest.seed) for shards in members[0].draws)
    what = " and ".join([", ".join(titles[:-1]), titles[-1]] if len(titles) > 1 else titles)
    each = f"{images} image{'s' if images > 1 else ''} a class" + (f" and draw, {draws} draws" if draws > 1 else "")
    numbers = {"sets": [str(shards.path) for one in members for shards in one.draws], "classes": rows, "images": images}
    same = "The same place is the same class, index and seed. " if len(members) > 1 else ""
    return Picture(
        f"{prefix}contact-sheet",
        "Contact sheet" + (f": {what}" if len(titles) > 1 else ""),
        f"Images of {rows} classes, {what}{' side by side' if len(titles) > 1 else ''}, {each}.",
        f"{same}{rows} of {classes} classes, {each}; generate.seed {seeds}.",
        sheet,
        numbers,
    )


def _alone(member: Member, id: str) -> Picture:
    shards = member.draws[0]
    cell = _cell(shards)
    images = max(1, min(shards.manifest.images_per_class, _WIDTH // (cell + _GAP)))
    sheet = contact_sheet(shards, max_classes=_MOST_CLASSES, max_images=images)
    rows, classes = min(len(shards.classes), _MOST_CLASSES), len(shards.classes)
    return Picture(
        id,
        f"Contact sheet: {member.title}",
        f"Images of {rows} classes, {member.title}.",
        f"Of other classes or another seed than the sheet above, so images do not correspond. {rows} of {classes} "
        f"classes; generate.seed {shards.manifest.seed}.",
        sheet,
        {"sets": [str(shards.path)], "classes": rows, "images": images},
    )


def _cell(shards: ShardSet) -> int:
    """Cells of small images are small: they are enlarged by a whole factor."""
    side = max(next(iter(shards.take([0]))).image.shape[:2])
    return _CELL_OF_SMALL if side <= _SMALL else _CELL
