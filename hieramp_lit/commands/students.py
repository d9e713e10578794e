"""`hieramp students`: one student under several seeds, in one process, over one bank and one teacher."""

import argparse
import difflib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hieramp_lit.cli import COMMANDS
from hieramp_lit.commands import following
from hieramp_lit.commands.closing import close
from hieramp_lit.commands.progress import Progress, lines_alone
from hieramp_lit.files import write_json, write_text
from hieramp_lit.jobs import RunStoppedError, signal_name
from hieramp_lit.lightning_cli import HierampCLI, build, without_misleading_noise
from hieramp_lit.report import aggregate, read, student_table
from hieramp_lit.report.results import FILE, Result
from hieramp_lit.tasks.relabel_training import RelabelTraining
from hieramp_lit.tasks.student_reuse import refuse_changed_files, refuse_different_judges
from hieramp_lit.tasks.student_series import StudentRun, fit_in_turn

NAME = "students"
CONFIG = "config.yaml"
RESUME = "resume_from"
"""File of a seed that a signal stopped: where its checkpoint is."""
_MOST_SHOWN = 12


def main(args: Sequence[str], prog: str) -> None:
    """Run the command.

    Args:
        args: Arguments after the command's name.
        prog: How the user called it, for the help text.

    Raises:
        ValueError: If the configuration trains no student, a seed comes twice, or the folder holds other students.
    """
    start = time.monotonic()
    options, configuration = build_parser(prog).parse_known_args(args)
    if len(set(options.seeds)) < len(options.seeds):
        raise ValueError(f"--seeds {options.seeds}: a seed comes twice. Give each once.")
    with without_misleading_noise():
        results = train_students(configuration, options.seeds, options.out)
    cell = aggregate(results)
    write_json(options.out / FILE, cell)
    console = Console()
    console.print(student_table({cell["set"]["name"]: cell}))
    console.print(seeds_table(cell))
    console.print(f"All numbers: {options.out / FILE}", soft_wrap=True)
    mean = cell["summary"]["mean"]["top1_last"]
    what = f"{len(results)} student(s) on {cell['set']['name']}, mean top-1 {100 * mean:.2f} %"
    after = following.report_on([options.out], options.out / "report.html")
    close(what, [options.out / FILE], time.monotonic() - start, after)


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's own arguments; all others are those of ``hieramp fit``."""
    parser = argparse.ArgumentParser(
        prog=prog,
        usage=f"{prog} --seeds N [N …] --out FOLDER --config FILE.yaml [--model.KEY VALUE] [--data.KEY VALUE] …",
        description="Train the student of a configuration under several seeds, one after the other in one process: its "
        "images are decoded once and its teacher is loaded and measured once. Each result equals that of `hieramp fit "
        "--model.seed N`. The same command continues where it stopped.",
        epilog="All other arguments are those of `hieramp fit`, but for --ckpt_path.",
        allow_abbrev=False,  # else --seed would be taken for --seeds
    )
    parser.add_argument("--seeds", type=int, nargs="+", required=True, metavar="N", help="the student's seeds")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER",
        help="folder for result.json (all seeds), config.yaml, and seed-N/ with each seed's result and weights",
    )  # fmt: skip
    return parser


def train_students(configuration: Sequence[str], seeds: Sequence[int], out: Path) -> list[Result]:
    """Train what is not trained yet.

    Args:
        configuration: Arguments of ``hieramp fit``.
        seeds: Of the students.
        out: Folder for ``seed-N/``.

    Returns:
        The result of each seed, in the order given.

    Raises:
        RunStoppedError: If a signal ends it; the same call then goes on, also inside of a seed.
        ValueError: If the configuration trains no student, asks for several devices, or differs from the one whose
            students are in the folder already; or if its set, weights or validation images are others than theirs.
    """
    base = _build(configuration)
    _claim(out, base)
    data = base.datamodule
    folders = {seed: out / f"seed-{seed}" for seed in seeds}
    done = {path: read(path) for path in (folder / FILE for folder in folders.values()) if path.is_file()}
    refuse_changed_files(done, base.model, data)
    refuse_different_judges(done)
    missing = {seed: folder for seed, folder in folders.items() if folder / FILE not in done}
    trained = fit_in_turn(_runs(configuration, base, missing), data)
    try:
        with Progress("trained", "students", console=lines_alone()) as progress:  # Lightning's bar is the only one
            for number, seed in enumerate(missing, 1):
                done[folders[seed] / FILE] = next(trained)
                (folders[seed] / RESUME).unlink(missing_ok=True)
                refuse_different_judges(done)
                progress(number, len(missing))
    except RunStoppedError as stop:
        if stop.checkpoint is not None:
            write_text(folders[seed] / RESUME, stop.checkpoint)
        own = "" if stop.checkpoint is None else " and this one's checkpoint"
        kept = f"Seeds that are done{own} are kept: run the same command again to go on."
        queued = stop.queued.replace(f" with --ckpt_path {stop.checkpoint}", "")  # a seed's own; it is found by itself
        raise RunStoppedError(
            stop.signum, f"{signal_name(stop.signum)}: stopped in seed {seed}. {kept}", stop.checkpoint, queued
        ) from stop
    return [done[folder / FILE] for folder in folders.values()]


def seeds_table(cell: Result) -> Table:
    """Draw each seed's top-1 after the last epoch and at the best, and when that was; below, mean and both deviations.

    Args:
        cell: A result of one seed or more.
    """
    protocol, summary = cell["protocol"], cell["summary"]
    title = f"Top-1 in % by seed, protocol {protocol['name']} version {protocol['version']}"
    table = Table(title=title, caption="best: chosen by the images that judge")
    for column in ("student seed", "last", "best", "best epoch"):
        table.add_column(column, justify="right")
    for run in cell["per_seed"]:
        accuracies = (f"{100 * run[which]['top1']:.2f}" for which in ("last", "best"))
        table.add_row(str(run["student_seed"]), *accuracies, str(run["best"]["epoch"]))
    table.add_section()
    for name, key in (("mean", "mean"), ("std, sample", "std_sample"), ("std, population", "std_population")):
        values = (summary[key][f"top1_{which}"] for which in ("last", "best"))
        table.add_row(name, *("–" if value is None else f"{100 * value:.2f}" for value in values), "")
    return table


def _build(configuration: Sequence[str]) -> HierampCLI:
    cli = build(configuration, NAME, COMMANDS[NAME])
    if not isinstance(cli.model, RelabelTraining) or cli.datamodule is None:
        raise ValueError(
            f"`hieramp {NAME}` trains students: model.class_path must be RelabelTraining, with data. Give a "
            f"configuration of configs/student; this one has {type(cli.model).__name__}."
        )
    return cli


def _claim(out: Path, base: HierampCLI) -> None:
    """Keep the configuration beside the results; refuse a folder with another one."""
    text: str = base.parser.dump(base.config, skip_unset=False, format="yaml")
    path = out / CONFIG
    if path.is_file() and path.read_text() != text:
        lines = difflib.unified_diff(
            path.read_text().splitlines(), text.splitlines(), "before", "now", n=0, lineterm=""
        )
        changed = [line for line in lines if line[:1] in "+-"][2 : 2 + _MOST_SHOWN]
        raise ValueError(
            f"--out {out} holds students of another configuration. Give another folder, or delete this one. "
            "What differs (- before, + now):\n" + "\n".join(changed)
        )
    write_text(path, text)


def _runs(configuration: Sequence[str], base: HierampCLI, folders: Mapping[int, Path]) -> Iterator[StudentRun]:
    """Tasks and Trainers, each built when its turn comes, as the same command for one seed would."""
    for seed, folder in folders.items():
        flags = ["--model.seed", str(seed), "--model.output", str(folder / FILE)]
        if base.model.export is not None:
            flags += ["--model.export", str(folder / Path(base.model.export).name)]
        cli = _build([*configuration, *flags])
        yield StudentRun(cli.model, cli.trainer, _stopped_at(folder))


def _stopped_at(folder: Path) -> str | None:
    """The checkpoint that a signal left of a seed, if it is still there."""
    path = (folder / RESUME).read_text() if (folder / RESUME).is_file() else ""
    return path if path and Path(path).is_file() else None
