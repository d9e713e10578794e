"""`hieramp import`: anybody's distilled data, a folder of images per class, as a shard set."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from hieramp_lit.classes import ClassList, class_folders, load_classes
from hieramp_lit.commands import following
from hieramp_lit.commands.closing import close
from hieramp_lit.commands.progress import Progress
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.format import CLASSES
from hieramp_lit.shards.identity import IMPORTED
from hieramp_lit.shards.import_folder import Imported, import_folder
from hieramp_lit.shards.write_errors import KEPT, explained


def main(args: Sequence[str], prog: str) -> None:
    """Run the command.

    Args:
        args: Arguments after the command's name.
        prog: How the user called it, for the help text.
    """
    start = time.monotonic()
    options = build_parser(prog).parse_args(args)
    root, out = options.folder.expanduser(), options.out.expanduser()
    classes = classes_of(root, options.classes)
    with explained(out, key="--out", kept=KEPT), Progress("written") as progress:
        made = import_folder(
            root,
            out,
            classes,
            generator=options.generator,
            images_per_class=options.images_per_class,
            image_size=options.image_size,
            shard_size=options.shard_size,
            seed=options.seed,
            progress=progress,
        )
    Console(soft_wrap=True, highlight=False).print(describe(made), markup=False)
    what = f"{len(made.shard_set):,} images of {len(made.shard_set.classes):,} classes imported"
    close(what, [out], time.monotonic() - start, following.verify_set(out))


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Make a shard set of a folder of images per class, so that students, verify and report judge it "
        "like any other. PNG files are stored byte for byte, others as PNG of the same pixels.",
        epilog=f"Example: {prog} downloads/rded_ipc10 --out sets/rded --classes imagewoof --generator rded",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="one folder of images per class")
    parser.add_argument("--out", required=True, type=Path, metavar="SET", help="folder of the set")
    parser.add_argument(
        "--classes",
        metavar="LIST",
        help="which classes the folders are, as `data.classes`: imagenet, imagewoof …, a classes.json, a .txt file, or "
        "a folder (default: FOLDER/classes.json, else the folders' own names)",
    )
    parser.add_argument("--generator", default=IMPORTED, metavar="NAME", help="what made the images, for tables")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed they were made with, for tables")
    parser.add_argument(
        "--images_per_class", type=int, metavar="N", help="take the first N of each class (default: all; equally many)"
    )
    parser.add_argument(
        "--image_size", type=int, metavar="N", help="bring images to N × N pixels (default: they have one size)"
    )
    parser.add_argument("--shard_size", type=int, default=250, metavar="N", help="images a shard (default: 250)")
    return parser


def classes_of(root: Path, spec: str | None) -> ClassList:
    """The class list of a folder of class folders.

    Args:
        root: The folder.
        spec: What was asked for, see `load_classes`; None takes the folder's ``classes.json``, else its folders' names.

    Raises:
        ShardError: If the folders are numbers and no list says what they count.
        ValueError: If there is no such list or folder.
    """
    if spec is not None:
        return load_classes(spec)
    if (root / CLASSES).is_file():
        return ClassList.read(root / CLASSES)
    names = class_folders(root, key="FOLDER")
    if all(name.isdigit() for name in names):
        raise ShardError(
            f"{root} names its folders by number ({names[0]} …) and has no {CLASSES}. Give --classes the list that the "
            "numbers count in: students are judged by the classes' ids and names."
        )
    return ClassList.from_folder(root, key="FOLDER")


def describe(made: Imported) -> str:
    """Say what was imported, and what was changed on the way."""
    shard_set = made.shard_set
    lines = [
        f"{shard_set.path}: {len(shard_set)} images, {len(shard_set.classes)} classes × "
        f"{shard_set.manifest.images_per_class}, imported as {shard_set.manifest.generator!r}",
        f"  {made.kept} stored byte for byte, {made.encoded} as PNG anew",
    ]
    if made.resized:
        side = shard_set.manifest.identity["save_size"]
        lines.append(
            f"  {made.resized} resized to {side} × {side} (largest square in the centre, Lanczos): not the pixels that "
            "their authors judged"
        )
    return "\n".join(lines)
