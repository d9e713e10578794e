"""`hieramp doctor`: looks at an installation and a configuration before hours are spent on them."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from hieramp_lit.bench.machine import chosen_device
from hieramp_lit.cli import COMMANDS
from hieramp_lit.commands.closing import close, command_line
from hieramp_lit.commands.progress import Progress
from hieramp_lit.doctor import Diagnosis
from hieramp_lit.doctor.examine import Examination, examine_installation
from hieramp_lit.doctor.findings import attempted
from hieramp_lit.doctor.setup import Setup
from hieramp_lit.lightning_cli import parse, without_misleading_noise

NAME = "doctor"
TEACHER = "teacher"
FEW_IMAGES, IMAGES_OF_TEACHER = 16, 2000


def main(args: Sequence[str], prog: str) -> None:
    """Run the command.

    Args:
        args: Arguments after the command's name.
        prog: How the user called it, for the help text.

    Raises:
        SystemExit: With code 1 if anything is an error.
    """
    start = time.monotonic()
    of_teacher = bool(args) and args[0] == TEACHER
    options, configuration = _options(prog).parse_known_args(list(args)[of_teacher:])
    configuration = [word for file in options.config for word in ("--config", file)] + configuration
    if of_teacher and not configuration:
        build_parser(prog).error("teacher needs --config FILE: a student's, which names the teacher.")
    with without_misleading_noise(), Progress(*(("tried", "images") if of_teacher else ("done", "checks"))) as progress:
        diagnosis, command = _diagnose(options, configuration, of_teacher, progress)
    diagnosis.show(Console(width=120))
    if options.out is not None:
        diagnosis.write(options.out)
    if diagnosis.count("error"):
        sys.exit(1)
    what = f"{diagnosis.subject}: {diagnosis.count('ok')} well, {diagnosis.count('warning')} warning(s)"
    written = [] if options.out is None else [options.out]
    following = [] if command == "demo" else configuration
    if of_teacher:
        command, following = "students", [*configuration, "--seeds", "0", "1", "2", "--out", "FOLDER"]
    close(what, written, time.monotonic() - start, command_line(command, *following))


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's own arguments; all others override the configuration, as for ``hieramp fit``."""
    parser = _options(prog)
    parser.add_argument(
        "what", nargs="?", choices=[TEACHER],
        help="try a student's teacher on the validation images: accuracy, and class order",
    )  # fmt: skip
    return parser


def _options(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        usage=f"{prog} [{TEACHER}] [--config FILE.yaml [--model.KEY VALUE] [--data.KEY VALUE] …]",
        description="Check an installation; with a configuration of fit, predict or tokenize also its weights, data, "
        "memory and disk, and what tokenizer and VAR make of a few images. Each line says ok, warning or error, and "
        "what to do. Exit status 1 if there is an error.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", action="append", default=[], metavar="FILE", help="configuration; may come again")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 … (default: cuda where there is one)")
    parser.add_argument(
        "--images", type=int, metavar="N",
        help=f"images to try networks on (default: {FEW_IMAGES}; a teacher: {IMAGES_OF_TEACHER}, equally many of "
        "each class)",
    )  # fmt: skip
    parser.add_argument(
        "--folder", type=Path, metavar="FOLDER",
        help="images to try them on, in class folders (default: those of the data)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the findings as JSON")
    return parser


def _diagnose(
    options: argparse.Namespace, configuration: Sequence[str], of_teacher: bool, progress: Progress
) -> tuple[Diagnosis, str]:
    """What was found, and the command that the configuration is for."""
    number = options.images if options.images is not None else IMAGES_OF_TEACHER if of_teacher else FEW_IMAGES
    if number < 1:
        raise ValueError(f"--images {number}: give a number of at least 1.")
    if not configuration:
        return Diagnosis("this installation", examine_installation()), "demo"
    cli = parse(configuration, NAME, COMMANDS[NAME])
    setup = Setup.of(cli.config)
    device = chosen_device(options.device)
    if options.device == "auto" and setup.trainer.get("accelerator") == "cpu":
        device = torch.device("cpu")
    examination = Examination(setup, cli.parser, cli.config, device, number, options.folder, progress)
    subject = f"{setup.task} (hieramp {setup.command})"
    if of_teacher:
        return Diagnosis(f"teacher of {subject}", attempted("teacher", examination.run_teacher)), setup.command
    return Diagnosis(subject, examination.run()), setup.command
