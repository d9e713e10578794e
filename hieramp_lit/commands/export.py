"""`hieramp export`: a shard set as a folder of images per class, for other evaluators."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from hieramp_lit.commands import following
from hieramp_lit.commands.closing import close
from hieramp_lit.commands.progress import Progress
from hieramp_lit.shards.export import LAYOUTS, Layout, export_folder
from hieramp_lit.shards.reader import ShardSet
from hieramp_lit.shards.write_errors import explained

FORMATS = ("imagefolder",)


def main(args: Sequence[str], prog: str) -> None:
    """Run the command.

    Args:
        args: Arguments after the command's name.
        prog: How the user called it, for the help text.
    """
    options = build_parser(prog).parse_args(args)
    export(options.set.expanduser(), options.out.expanduser(), options.layout)


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Write the images of a shard set, byte for byte, as CLASS/KEY.png, which RDED's, Minimax's and "
        "DD-Ranking's evaluators and torchvision read. `hieramp import` goes back; `hieramp export-weights` exports "
        "networks.",
        epilog=f"Example: {prog} sets/mine --out exported/mine --layout wnid",
    )
    parser.add_argument("set", metavar="SET", type=Path, help="folder of the shard set")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="new or empty folder")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="what to write (default: %(default)s)")
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        default=LAYOUTS[0],
        help="folders by number in the set's class list, 00000 …, or by WordNet id (default: %(default)s)",
    )
    return parser


def export(path: Path, out: Path, layout: Layout) -> None:
    """Export a set and say what was written.

    Args:
        path: The set.
        out: New or empty folder.
        layout: How class folders are named.

    Raises:
        ShardError: If the set is damaged, or `out` holds something.
        OSError: If `out` cannot be written.
    """
    start = time.monotonic()
    shard_set = ShardSet.open(path)
    needed = sum(record.bytes for record in shard_set.manifest.shards)
    with (
        explained(out, key="--out", kept="Nothing of the export is left.", needed=needed),
        Progress("exported") as seen,
    ):
        export_folder(shard_set, out, layout, seen)
    order = " in the order of sorted ids, which need not be the set's" if layout == "wnid" else ""
    Console(soft_wrap=True, highlight=False).print(
        f"{out}: {len(shard_set)} images in {len(shard_set.classes)} class folders and classes.json; readers that sort "
        f"folders number the classes{order or ' as the set does'}.",
        markup=False,
    )
    what = f"{len(shard_set):,} images of {len(shard_set.classes):,} classes exported"
    close(what, [out], time.monotonic() - start, following.judge_set(path))
