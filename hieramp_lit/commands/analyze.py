"""`hieramp analyze`: what amplification does to the tokens of a set, and where its class tokens look."""

import argparse
import gc
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from hieramp_lit.analysis import (
    ImageEncoder,
    TokenAnalysis,
    TokenMaps,
    analyze_tokens,
    changes,
    check_comparable,
    has_tokens,
    token_maps,
)
from hieramp_lit.analysis.chosen_classes import chosen_classes
from hieramp_lit.analysis.tables import show
from hieramp_lit.analysis.token_figures import labels, token_figures
from hieramp_lit.analysis.token_maps import UNKNOWN
from hieramp_lit.analysis.tokens import describe
from hieramp_lit.analysis.writing import FILE, FOLDER, FORMATS, write_analysis
from hieramp_lit.bench.machine import chosen_device
from hieramp_lit.classes import ClassList
from hieramp_lit.commands.arguments import at_least_one
from hieramp_lit.commands.closing import close, command_line
from hieramp_lit.commands.encoder import load_encoder
from hieramp_lit.commands.progress import Progress
from hieramp_lit.commands.saliency_arguments import add_saliency_arguments, analyze_saliency
from hieramp_lit.shards import ShardSet
from hieramp_lit.shards.format import CLASSES
from hieramp_lit.shards.manifest import package_versions
from hieramp_lit.shards.write_errors import explained

SCHEMA = 1
DEFAULT_CLASSES = 3
ONE_IMAGE = "Different codes by position (Fig. 4) are left out: they need two images of a class or more, a set has one."
_SEED_HINT = "--any-seed lets seeds differ"


class _Source(NamedTuple):
    """A set, and how its tokens are had."""

    shards: ShardSet
    maps: TokenMaps
    encoder: ImageEncoder | None

    @property
    def about(self) -> Mapping[str, Any]:
        return describe(self.shards, self.encoder)

    @property
    def classes(self) -> ClassList:
        return self.shards.classes


def main(args: Sequence[str], prog: str) -> None:
    """Run the command.

    Args:
        args: Arguments after the command's name.
        prog: How the user called it, for the help text.

    Raises:
        ShardError: If a set is damaged.
        ValueError: If sets and arguments do not fit each other.
        OSError: If results cannot be written.
    """
    start = time.monotonic()
    parser = build_parser(prog)
    options = parser.parse_args(args)
    paths = [*options.sets, *([] if options.against is None else [options.against])]
    if len({path.expanduser().resolve() for path in paths}) < len(paths):
        parser.error("a set is given twice: give each once, and with --against another one")
    if options.labels and len(options.labels) != len(paths):
        parser.error(
            f"--labels: {len(options.labels)} names for {len(paths)} sets; give one each, that of --against last"
        )
    if len(set(options.labels)) < len(options.labels):
        parser.error("--labels: names must differ")
    out = options.out or options.sets[0].expanduser() / FOLDER
    sources = _sources([ShardSet.open(path) for path in paths], options)
    for source in sources[:-1]:
        any_seed = options.any_seed or options.against is None
        check_comparable(source, sources[-1], any_seed=any_seed, seed_hint=_SEED_HINT)
    words = options.classes or [str(cls) for cls in range(min(DEFAULT_CLASSES, len(sources[0].classes)))]
    chosen = chosen_classes(sources[0].classes, words)
    notes = [] if all(source.shards.manifest.images_per_class > 1 for source in sources) else [ONE_IMAGE]
    chosen = [] if notes else chosen
    counted = _count(sources, chosen)
    analyses = dict(zip(options.labels or labels(counted), counted, strict=True))
    against = None if options.against is None else list(analyses)[-1]
    found = {
        name: changes(one, analyses[against], any_seed=options.any_seed)
        for name, one in analyses.items()
        if against is not None and name != against
    }
    figures = token_figures(analyses, found, against)
    saliency, saliency_notes = _saliency(options, dict(zip(analyses, sources, strict=True)), against, out)
    notes += [note for one in found.values() for note in one.notes] + saliency_notes
    result = {
        "schema": SCHEMA,
        "sets": {name: one.as_json() for name, one in analyses.items()},
        "against": against,
        "changes": {name: one.as_json() for name, one in found.items()},
        "saliency": saliency,
        "figures": {one.figure.id: dict(one.figure.numbers) for one in figures},
        "notes": list(dict.fromkeys(notes)),
        "versions": package_versions(),
        "seconds": time.monotonic() - start,
    }
    with explained(out, key="--out", kept="The sets are as they were."):
        written = write_analysis(out, result, figures, options.formats)
    Console(soft_wrap=True, highlight=False).print(show(analyses, found, against, notes))
    images = sum(len(source.shards) for source in sources)
    beside = [] if options.against is None else ["--against", options.against]
    close(
        f"tokens of {images:,} images in {len(sources)} set{'s' * (len(sources) > 1)} counted, {len(figures)} figures",
        [out / FILE, *(path for path in written if path.suffix == f".{options.formats[0]}"), *_strips(saliency, out)],
        time.monotonic() - start,
        command_line("report", *options.sets, *beside, "-o", "report.html"),
    )


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog=prog,
        usage="%(prog)s SET [SET …] [--against PLAIN] [--classes CLASS …] [--tokenizer FILE] [--out FOLDER] …",
        description="Count the tokens of sets: entropy and coverage of the codebook by scale, stage and class; with "
        "--against, a set of the same classes, images per class and seed, the shares of classes in which they rise, "
        "stay and fall; different codes at each position. Draws where class tokens look. Writes analysis.json, and "
        "each figure as CSV, PNG, PDF and SVG.",
        epilog=f"Example: {prog} sets/coarse sets/fine --against sets/plain",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("sets", nargs="+", metavar="SET", type=Path, help="folders of shard sets")
    add("--against", type=Path, metavar="SET", help="the set that all others are compared with, e.g. the plain one")
    add("--any-seed", action="store_true", help="compare sets of different seeds too; chance is then part of changes")
    add(
        "--classes", nargs="+", default=[], metavar="CLASS",
        help="classes whose different codes by position and whose class-token maps are drawn, by WordNet id, name or "
        f"number in the set's {CLASSES} (cls); default: different codes of the first {DEFAULT_CLASSES}, maps see "
        "--images",
    )  # fmt: skip
    add("--labels", nargs="+", default=[], metavar="NAME", help="what the sets are called, that of --against last "
        "(default: their schedules)")  # fmt: skip
    add(
        "--tokenizer", metavar="FILE",
        help="tokenizer that encodes the images of sets without tokens: weights (a path, asset://… or hf://…), or a "
        "configuration of tokenization, tuning or generation that names them (.yaml)",
    )  # fmt: skip
    add("--encode-all", action="store_true", help="encode the images of sets with tokens too, so that all are alike")
    add("--patch-nums", type=int, nargs="+", metavar="SIDE", help="sides of the token maps of --tokenizer, or of a set "
        "that does not name its own (default: those of the sets that do)")  # fmt: skip
    add("--vocab-size", type=at_least_one, metavar="V", help="codebook size of a set that does not name its own")
    add(
        "--batch-size",
        type=at_least_one,
        default=16,
        metavar="B",
        help="images to encode at once (default: %(default)s)",
    )
    add(
        "--device",
        default="auto",
        help="cpu, cuda, cuda:1 … to encode and generate on (default: cuda where there is one)",
    )
    add("--out", type=Path, metavar="FOLDER", help=f"where to write (default: {FOLDER} in the folder of the first SET)")
    add("--formats", nargs="+", choices=FORMATS, default=FORMATS, help="files of each figure of tokens (default: all)")
    add_saliency_arguments(parser)
    return parser


def _sources(sets: Sequence[ShardSet], options: argparse.Namespace) -> list[_Source]:
    """Decide for each set whether its own tokens count or its images are encoded."""
    if options.encode_all and options.tokenizer is None:
        raise ValueError("--encode-all needs --tokenizer: give the tokenizer that is to encode the images.")
    stored = [not options.encode_all and has_tokens(shards) for shards in sets]
    told = [_told(shards, options) for shards in sets]
    encoder = None
    if not all(stored):
        if options.tokenizer is None:
            without = next(shards for shards, has in zip(sets, stored, strict=True) if not has)
            raise ValueError(
                f"{without.path} stores no tokens, its generator ({without.manifest.generator}) has none: give "
                "--tokenizer FILE, which encodes its images."
            )
        patch_nums = options.patch_nums or next(
            (list(maps.scales.patch_nums) for maps in told if maps is not None), None
        )
        encoder = load_encoder(options.tokenizer, patch_nums, chosen_device(options.device), options.batch_size)
    sources = []
    for shards, has, maps in zip(sets, stored, told, strict=True):
        if not has and encoder is not None:
            sources.append(_Source(shards, encoder.maps, encoder))
        elif maps is not None:
            sources.append(_Source(shards, maps, None))
        else:
            raise ValueError(f"{shards.path}: {UNKNOWN}.")
    return sources


def _told(shards: ShardSet, options: argparse.Namespace) -> TokenMaps | None:
    """Token maps that the set or the user tells; sides alone are those of the tokenizer."""
    given = (options.patch_nums, options.vocab_size)
    if options.tokenizer is not None and options.vocab_size is None:
        given = (None, None)
    return token_maps(shards.manifest.configuration, *given)


def _count(sources: Sequence[_Source], chosen: Sequence[int]) -> list[TokenAnalysis]:
    total, counted = sum(len(source.shards) for source in sources), list[TokenAnalysis]()
    with Progress("counted", "images") as progress:
        for source in sources:
            before = sum(int(one.images_C.sum()) for one in counted)
            counted.append(
                analyze_tokens(
                    source.shards,
                    source.maps,
                    heatmap_classes=chosen,
                    encode=source.encoder,
                    progress=partial(_go_on, progress, before, total),
                )
            )
            gc.collect()  # counters refer to themselves, and would stay beside those of the next set
    return counted


def _go_on(progress: Progress, before: int, total: int, done: int, _: int) -> None:
    progress(before + done, total)


def _saliency(
    options: argparse.Namespace, sources: Mapping[str, _Source], against: str | None, out: Path
) -> tuple[dict[str, Any], list[str]]:
    """Class-token maps of the first set, and of that of --against."""
    chosen = [next(iter(sources)), *([] if against is None else [against])]
    notes = []
    if len(sources) > len(chosen):
        notes.append(
            f"Class-token maps are those of the first set ({chosen[0]}): run the command for each of the others."
        )
    with Progress("measured", "images") as progress:
        found = analyze_saliency(options, {name: sources[name].shards for name in chosen}, out, progress)
    if "absent" in found:
        notes.append(f"No class-token maps: {found['absent']}")
    return found, [*notes, *found.get("notes", [])]


def _strips(saliency: Mapping[str, Any], out: Path) -> list[Path]:
    """Of the many pictures of class-token maps, those that show all chosen images."""
    shown = ("strips.png", "entropy.png", "overlap.png")
    return [out / name for name in saliency.get("files", []) if Path(name).name in shown]
