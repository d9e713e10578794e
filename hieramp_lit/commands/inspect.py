"""`hieramp inspect`: what a set's images and tokens are like, alone, beside real images, and to a teacher."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from hieramp_lit.bench.machine import chosen_device, device_name
from hieramp_lit.classes import ClassList
from hieramp_lit.cli import COMMANDS
from hieramp_lit.commands import following
from hieramp_lit.commands.closing import close
from hieramp_lit.commands.progress import Progress
from hieramp_lit.files import write_json
from hieramp_lit.inspection import (
    FeatureNetwork,
    LabelledImages,
    RealSetImages,
    SetImages,
    Settings,
    inception_features,
    inspect_set,
    named_features,
    teacher_features,
    token_maps,
)
from hieramp_lit.inspection.tables import show
from hieramp_lit.shards import ShardSet
from hieramp_lit.shards.format import MANIFEST
from hieramp_lit.shards.write_errors import explained
from hieramp_lit.students import Teacher
from hieramp_lit.students.network_input import NetworkInput

NAME = "inspect"
FILE = "inspect.json"
DIGITS = "digits"
_REFERENCES = (
    "the folder of a shard set, a folder with one sub-folder of images a class, a configuration of random real images "
    f"(configs/generate/*_real.yaml: all images that it chooses from), or the word {DIGITS} (their training images)"
)


def main(args: Sequence[str], prog: str) -> None:
    """Run the command.

    Args:
        args: Arguments after the command's name.
        prog: How the user called it, for the help text.

    Raises:
        ShardError: If the set is damaged.
        ValueError: If arguments, set, reference and networks do not fit each other.
    """
    start = time.monotonic()
    parser = build_parser(prog)
    options, overrides = parser.parse_known_args(args)
    if overrides and not options.config:
        parser.error(f"unknown without a --config that it could override: {' '.join(overrides)}")
    if options.config and options.features:
        parser.error("give --config, whose teacher is the feature network, or --features, not both")
    if not options.features and (options.checkpoint or options.rows or options.mean or options.std):
        parser.error("--checkpoint, --teacher.rows, --teacher.mean and --teacher.std belong to --features NAME")
    device = chosen_device(options.device)
    shards = ShardSet.open(options.set)
    images = SetImages(shards, shards.classes)
    networks = _networks(options, overrides, images, device)
    reference = _reference(options, images) if options.reference is not None else None
    if reference is not None and not networks:
        parser.error("--reference needs a feature network: give --config STUDENT.yaml, --features NAME or --inception")
    with (
        Progress("looked at", "images") as progress,
        progress.phase("computed", "distances") as distances,
        progress.phase("compared", "subsets for KID") as subsets,
    ):
        result = inspect_set(
            images,
            networks,
            reference,
            token_maps(shards.manifest.configuration, options.patch_nums, options.vocab_size),
            Settings(
                precision_recall_k=options.k[0],
                density_coverage_k=options.k[1],
                vendi_q=options.vendi_q,
                kid_subsets=options.kid_subsets,
                kid_subset_size=options.kid_subset_size,
                pairs=options.pairs,
                seed=options.seed,
            ),
            options.batch_size,
            device,
            progress,
            distances,
            subsets,
        )
    result["device"] = device_name(device)
    output = options.output or options.set.expanduser() / FILE
    with explained(output.parent, key="--output", kept="The set is as it was."):
        write_json(output, result)
    console = Console(soft_wrap=True, highlight=False)
    console.print(show(result))
    console.print(f"written to {output}", markup=False)
    what = f"{len(shards):,} images measured" + ("" if reference is None else f" beside {len(reference):,} real ones")
    close(what, [output], time.monotonic() - start, following.analyze_set(shards))


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's own arguments; others override the configuration of --config."""
    parser = argparse.ArgumentParser(
        prog=prog,
        usage="%(prog)s SET [--reference R] [--config STUDENT.yaml | --features NAME] [--inception FILE] …",
        description="Measure a shard set: precision, recall, density, coverage, FID, KID and the nearest real image "
        "beside real images; Vendi score and diversity; a teacher's accuracy and confidence; entropy and coverage of "
        "its tokens per scale and stage. What cannot be measured is listed with the reason.",
        epilog=f"Example: {prog} sets/digits_amplified --config configs/student/digits.yaml --reference {DIGITS}",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("set", metavar="SET", type=Path, help="folder of the shard set")
    add("--reference", metavar="R", help=f"real images to compare with: {_REFERENCES}")
    add(
        "--reference-images", type=_positive, metavar="N",
        help="use N images of the reference at most, drawn by --seed (default: all)",
    )  # fmt: skip
    add("--config", action="append", default=[], metavar="FILE", help="a student's: its teacher is the feature network")
    add("--features", metavar="NAME", help="instead: a network by name, with its published weights or --checkpoint")
    add("--checkpoint", "--teacher.checkpoint", metavar="FILE", help="weights of --features")
    add("--teacher.rows", dest="rows", type=int, nargs="+", metavar="ROW", help="its rows of the set's classes")
    add("--teacher.mean", dest="mean", type=float, nargs=3, help="its channel means (default: ImageNet's)")
    add("--teacher.std", dest="std", type=float, nargs=3, help="its channel deviations (default: ImageNet's)")
    add(
        "--image-size",
        type=_positive,
        metavar="S",
        help="its input in pixels (default: the configuration's, the set's)",
    )
    add("--inception", type=Path, metavar="FILE", help="also Inception's features, of torch-fidelity's weights file")
    add("--k", type=_positive, nargs=2, default=(3, 5), metavar=("K", "K"), help="neighbours for precision and recall, "
        "and for density and coverage (default: 3 5)")  # fmt: skip
    add("--vendi-q", type=float, default=1.0, metavar="Q", help="order of the Vendi score, 0 to inf (default: 1)")
    add("--kid-subsets", type=_positive, default=100, metavar="N", help="subsets of KID (default: %(default)s)")
    add("--kid-subset-size", type=_positive, default=1000, metavar="N", help="images in each (default: %(default)s, or "
        "as many as there are)")  # fmt: skip
    add("--pairs", type=_positive, default=20, metavar="N", help="closest pairs to name (default: %(default)s)")
    add("--patch-nums", type=int, nargs="+", metavar="SIDE", help="token maps of a set that does not name its own")
    add("--vocab-size", type=int, metavar="V", help="its codebook size")
    add("--seed", type=int, default=0, help="of what is drawn (default: %(default)s)")
    add("--batch-size", type=_positive, default=64, metavar="B", help="images at once (default: %(default)s)")
    add("--device", default="auto", help="cpu, cuda, cuda:1 … (default: cuda where there is one)")
    add("--output", type=Path, metavar="FILE", help=f"where to write the result (default: SET/{FILE})")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def _networks(
    options: argparse.Namespace, overrides: Sequence[str], images: SetImages, device: torch.device
) -> list[FeatureNetwork]:
    classes, found = images.shards.classes, []
    if options.config:
        files = [word for file in options.config for word in ("--config", file)]
        found.append(_teacher_of([*files, *overrides], classes, options.image_size))
    elif options.features:
        teacher = Teacher(
            options.features,
            options.checkpoint,
            pretrained=options.checkpoint is None,
            rows=None if options.rows is None else tuple(options.rows),
            mean=None if options.mean is None else tuple(options.mean),
            std=None if options.std is None else tuple(options.std),
        )
        found.append(named_features(teacher, classes, options.image_size or images.side))
    if options.inception is not None:
        try:
            found.append(inception_features(options.inception.expanduser()))
        except ModuleNotFoundError as error:
            raise RuntimeError(str(error)) from error
    for network in found:
        network.network.to(device)
    return found


def _teacher_of(configuration: Sequence[str], classes: ClassList, image_size: int | None) -> FeatureNetwork:
    """The teacher that a student's configuration names."""
    from hieramp_lit.doctor.setup import Setup  # here: Lightning takes seconds to import
    from hieramp_lit.doctor.weights import image_size_of, teacher_of
    from hieramp_lit.lightning_cli import parse, without_misleading_noise

    with without_misleading_noise():
        setup = Setup.of(parse(configuration, NAME, COMMANDS[NAME]).config)
    teacher = teacher_of(setup.model)
    if teacher is None:
        raise ValueError(
            "--config: model.teacher is null, so there is no feature network. Give a student's that has one."
        )
    norm = NetworkInput(tuple(setup.model["mean"]), tuple(setup.model["std"]))
    return teacher_features(teacher, classes, image_size or image_size_of(setup), norm)


def _reference(options: argparse.Namespace, images: SetImages) -> LabelledImages:
    found = _real_images(options.reference, images)
    if options.reference_images is not None:
        found.limit(options.reference_images, options.seed)
    return found


def _real_images(given: str, images: SetImages) -> LabelledImages:
    from hieramp_lit.generate.real import DigitsImages
    from hieramp_lit.generate.real_images import FolderImages

    classes, side, path = images.shards.classes, images.side, Path(given).expanduser()
    if given == DIGITS:
        return RealSetImages(DigitsImages("train"), classes, side)
    if (path / MANIFEST).is_file():
        return SetImages(ShardSet.open(path), classes, side, "--reference")
    if path.is_dir():
        return RealSetImages(FolderImages(str(path), side, _folders(path, classes)), classes, side)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return _configured(path, classes, side)
    raise ValueError(f"--reference {given}: there is no such file or folder. Give {_REFERENCES}.")


def _folders(root: Path, classes: ClassList) -> list[str | int]:
    """Name of the sub-folder of each class."""
    there = {path.name for path in root.iterdir() if path.is_dir()}
    names = [next((name for name in (one.wnid, one.name) if name in there), None) for one in classes.entries]
    missing = [one.name for one, name in zip(classes.entries, names, strict=True) if name is None]
    if missing:
        raise ValueError(
            f"--reference {root} has no sub-folder for {len(missing)} of the set's {len(classes)} classes: "
            f"{', '.join(missing[:5])}. Folders are named by WordNet id or by name. Give {_REFERENCES}."
        )
    return [name for name in names if name is not None]


def _configured(path: Path, classes: ClassList, side: int) -> LabelledImages:
    """All images that a configuration of random real images chooses from."""
    from hieramp_lit.doctor.setup import Setup, build_generator
    from hieramp_lit.generate.real import RandomReal
    from hieramp_lit.lightning_cli import parse, without_misleading_noise

    with without_misleading_noise():
        cli = parse(["--config", str(path)], NAME, COMMANDS[NAME])
        setup = Setup.of(cli.config)
        named = setup.model.get("generator", {}).get("class_path", setup.task).rpartition(".")[2]
        if named != RandomReal.__name__:
            raise ValueError(f"--reference {path} is a configuration of {named}. Give {_REFERENCES}.")
        generator = build_generator(cli.parser, cli.config)
    if not isinstance(generator, RandomReal):
        raise TypeError(f"{type(generator).__name__} was built where the configuration names {named}.")
    return RealSetImages(generator.data, classes, side)
