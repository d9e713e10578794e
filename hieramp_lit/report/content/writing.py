"""Writing a report: reading the sources, building the page, and the files beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hieramp_lit.files import read_json
from hieramp_lit.report.content.assembling import assemble
from hieramp_lit.report.content.read_sweep import Sweep
from hieramp_lit.report.content.reading import read_source, set_member
from hieramp_lit.report.content.story import Member, Story
from hieramp_lit.report.content.token_counts import TokenCounts
from hieramp_lit.report.page import Note, Report, write_page
from hieramp_lit.shards import ShardSet

TOKEN_IMAGES = 200_000
"""Images whose tokens are counted for one report: two sets of ImageNet-1K at IPC 100, minutes on two cores."""
LIMIT_BYTES = 10_000_000


def figures_beside(output: Path) -> Path:
    """Folder of a page's figures where none is named: ``report_figures`` beside ``report.html``."""
    return output.with_name(f"{output.stem}_figures")


def write_report(
    sources: Sequence[Path],
    output: Path,
    *,
    against: Path | None = None,
    figures: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    token_images: int = TOKEN_IMAGES,
    limit_bytes: int = LIMIT_BYTES,
) -> list[Path]:
    """Tell the whole story of sets, trials, sweeps, students, comparisons or a demo on one page.

    Args:
        sources: Their folders, or the files in them that say what they are.
        output: The page; ``<stem>.json`` with the same content goes beside it.
        against: A set with nothing amplified, of equal seed, to lay beside.
        figures: Folder for the figures as PNG and PDF; None writes none.
        progress: Told how many sections of how many are built.
        token_images: Most images whose tokens are counted in all; sets beyond it are named as missing.
        limit_bytes: Largest page.

    Returns:
        The files that were written.

    Raises:
        FileNotFoundError: If a source does not exist.
        OSError: If a file cannot be written.
        ShardError: If a set that was given is damaged.
        ValueError: If a source is nothing that a report tells of, the page is too large, or its JSON would replace
            another file.
    """
    check_output(output)
    return write_page(build_report(sources, against, progress, token_images), output, figures, limit_bytes)


def check_output(output: Path) -> None:
    """Refuse a page whose JSON would replace a file that is no report's, as ``sweep.html`` in a sweep's folder would.

    Raises:
        ValueError: If it is such a place, or the name does not end in .html.
    """
    if output.suffix not in (".html", ".htm"):
        raise ValueError(f"-o/--output {output}: a report is a page; give a name that ends in .html.")
    beside = output.with_suffix(".json")
    if not beside.exists():
        return
    try:
        content = read_json(beside)
    except (OSError, ValueError):
        content = None
    if not isinstance(content, Mapping) or not {"title", "subtitle", "sections"} <= set(content):
        raise ValueError(
            f"-o/--output {output}: {beside}, which is no report, would be replaced by the report's content as JSON. "
            f"Give another name, e.g. {output.with_name('report.html')}."
        )


def build_report(
    sources: Sequence[Path],
    against: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    token_images: int = TOKEN_IMAGES,
) -> Report:
    """The content of `write_report`'s page.

    Raises:
        FileNotFoundError: As `write_report`, and so the others.
        ShardError: See there.
        ValueError: See there.
    """
    if not sources:
        raise ValueError("There is no SOURCE to report on.")
    read = joined([read_source(path) for path in sources])
    if against is None:
        return assemble(read, TokenCounts(token_images), progress)
    plain = _plain(against)
    report = assemble([_with(source, plain) for source in read], TokenCounts(token_images), progress)
    if any(_takes(source) for source in read):
        return report
    first, *others = report.sections
    text = f"--against {against} lies beside nothing: no SOURCE is an amplified set, a trial of one or students on one."
    return replace(report, sections=[replace(first, blocks=[*first.blocks, Note(text, "missing")]), *others])


def joined(sources: Sequence[Story | Sweep]) -> list[Story | Sweep]:
    """Give students whose set is another source that set, which then has no part of its own.

    Args:
        sources: As read.
    """
    sets = {
        source.main.draws[0].manifest.hash: source
        for source in sources
        if isinstance(source, Story) and source.what == "shard set"
    }
    used = set[str]()

    def with_set(member: Member) -> Member:
        hashes = ((member.result or {}).get("set") or {}).get("manifest_sha256") or ()
        found = {key: sets[key] for key in hashes if key in sets}
        if not found or (member.draws and not used.isdisjoint(found)):
            return member
        used.update(found)
        own = next(iter(found.values())).main
        draws = member.draws or tuple(story.main.draws[0] for story in found.values())
        return replace(member, draws=draws, inspected=member.inspected or own.inspected)

    told: list[Story | Sweep] = []
    for source in sources:
        if isinstance(source, Story) and source.what != "shard set":
            told.append(replace(source, members=tuple(map(with_set, source.members))))
        else:
            told.append(source)
    return [
        source
        for source in told
        if not (isinstance(source, Story) and source.what == "shard set" and source.main.draws[0].manifest.hash in used)
    ]


def _plain(path: Path) -> Member:
    member = set_member(ShardSet.open(path))
    if member.kind != "plain":
        raise ValueError(
            f"--against {path}: expected a set of VAR with nothing amplified (--model.amplification null), this one is "
            f"{member.title}. Sets of other generators are compared as further SOURCEs."
        )
    return member


def _takes(source: Story | Sweep) -> bool:
    return isinstance(source, Story) and source.main.kind == "amplified"


def _with(source: Story | Sweep, plain: Member) -> Story | Sweep:
    """The plain set takes the place of another plain one that was not judged, beside what is amplified."""
    if isinstance(source, Sweep) or not _takes(source):
        return source
    hash_of = plain.draws[0].manifest.hash
    if any(shards.manifest.hash == hash_of for member in source.members for shards in member.draws):
        return source
    kept = [member for member in source.members[1:] if member.kind != "plain" or member.result is not None]
    return replace(source, members=(source.main, plain, *kept))
