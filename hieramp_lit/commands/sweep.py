"""`hieramp sweep`: the trials of a W&B sweep file, run or listed without a server."""

import argparse
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from hieramp_lit.commands.arguments import at_least_one
from hieramp_lit.commands.closing import close, command_line
from hieramp_lit.commands.reporting import FILE as PAGE
from hieramp_lit.commands.reporting import end_with_report
from hieramp_lit.commands.trial_hash import trial_hash
from hieramp_lit.files import format_json, write_json
from hieramp_lit.pace import duration
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.stages import LiveStatus, alone
from hieramp_lit.sweeps import (
    CSV,
    JSON,
    Event,
    Row,
    Slot,
    SweepFile,
    SweepFolder,
    SweepRunner,
    Trial,
    TrialFolder,
    claim_sweep,
    collect,
    describe,
    expand,
    gpu_slots,
    ranked,
    read_sweep_file,
    results_table,
    short_names,
    trials_table,
    worker_slots,
)

_ROOT = Path("runs/sweeps")
_BETWEEN_LINES = 60.0  # seconds, of what a log is told while trials run


def main(args: Sequence[str], prog: str) -> None:
    """Run the command.

    Args:
        args: Arguments after the command's name.
        prog: How the user called it, for the help text.

    Raises:
        OSError: If a file cannot be read or written, or a trial's command cannot be started.
        RunStoppedError: If a signal ends it; the same call then goes on.
        SystemExit: With code 1 if a trial failed or was refused.
        ValueError: If the file or an argument is impossible.
    """
    options = build_parser(prog).parse_args(args)
    sweep = read_sweep_file(options.file)
    trials = expand(sweep, options.max_trials, options.seed, options.method)
    chosen = _chosen(trials, options.index)
    if options.verb == "expand":
        _show(chosen, options.index, options.json, options.out)
        return
    console = Console()
    for warning in _warnings(sweep):
        _warn(warning, console)
    root = options.out or _ROOT / sweep.title
    if options.dry_run:
        _dry_run(sweep, root, chosen, console)
        return
    slots = gpu_slots(options.gpus) if options.workers is None else worker_slots(options.workers)
    start = time.monotonic()
    rows = run_sweep(sweep, root, trials, chosen, slots, console)
    pages = [] if options.no_report else _report(root, rows, console)
    _end(sweep, root, chosen, rows, pages, time.monotonic() - start, console)


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Run or list the trials of a W&B sweep file without a server: grids in the file's order, and "
        "seeded random draws.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="run|expand")
    run = verbs.add_parser(
        "run",
        help="run the trials, one on each GPU, or side by side on the processor",
        description="Run the trials of a sweep file by the file's own command, and collect what came of them. Trials "
        "that are done are skipped, so the same command goes on after a crash. A trial that fails or is impossible "
        "does not stop the others. Several machines may run the same file on the same folder: none runs a trial of "
        "another.",
    )
    where = run.add_mutually_exclusive_group()
    where.add_argument(
        "--gpus", nargs="+", metavar="GPU", help="a trial at a time on each, as CUDA_VISIBLE_DEVICES names them "
        "(default: all; without any, one trial on the processor)",
    )  # fmt: skip
    where.add_argument("--workers", type=at_least_one, help="trials side by side on the processor, sharing its cores")
    run.add_argument("--dry-run", action="store_true", help="print the command lines, and run nothing")
    run.add_argument(
        "--out", type=Path, metavar="FOLDER",
        help=f"for trials/, sweep.csv, sweep.json, report.html (default: {_ROOT}/NAME)",
    )  # fmt: skip
    run.add_argument("--no-report", action="store_true", help="write no report.html at the end")
    show = verbs.add_parser(
        "expand",
        help="list the trials",
        description="List the trials of a sweep file: their index, id and parameters.",
    )
    show.add_argument("--json", action="store_true", help="as JSON, for programs")
    show.add_argument(
        "--out", type=Path, metavar="FILE.json",
        help="with one --index: write the trial's parameters, a configuration for `hieramp distill --config`",
    )  # fmt: skip
    for verb in (run, show):
        verb.add_argument(
            "file", type=Path, metavar="FILE", help="W&B sweep file, e.g. sweeps/table3_stage_rho_beta.yaml"
        )
        verb.add_argument("--max-trials", type=at_least_one, metavar="N", help="of a grid the first N; N random draws")
        verb.add_argument("--index", type=int, nargs="+", metavar="N", help="only these trials, counted from 0")
        verb.add_argument("--seed", type=int, default=0, help="of random draws (default: 0)")
        verb.add_argument("--method", choices=["grid", "random"], help="instead of the file's")
    return parser


def run_sweep(
    sweep: SweepFile,
    root: Path,
    trials: Sequence[Trial],
    chosen: Sequence[Trial],
    slots: Sequence[Slot],
    console: Console,
) -> list[Row]:
    """Run what is not done yet, then show and write what came of all trials.

    Args:
        sweep: The file.
        root: The sweep's folder.
        trials: All trials, for the tables.
        chosen: Those to run.
        slots: Where they run.
        console: Where to tell.

    Returns:
        A row a trial.

    Raises:
        RunStoppedError: If a signal ends it.
        SweepFileError: If the folder holds trials of another command, or a configuration changes meanwhile.
    """
    with console.status("reading the trials' configurations"):
        folder = SweepFolder(sweep, root, chosen, trial_hash)
    claim_sweep(folder)
    names = short_names(trials, varying=True)
    done = sum(folder.trial(trial).is_done() for trial in chosen)
    console.print(
        f"{len(chosen)} trials, {done} done before; {len(slots)} side by side: "
        f"{', '.join(slot.name for slot in slots)}. Everything is in {root}",
        markup=False, soft_wrap=True,
    )  # fmt: skip

    def tell(event: Event) -> None:
        if event.outcome.status == "running":
            return
        try:
            collect(folder, trials)
        except (OSError, ShardError) as error:  # the table is written again after the next trial
            _warn(f"the sweep's table is not written now: {error}", console)
        value = (event.outcome.summary or {}).get(sweep.metric.name) if sweep.metric else None
        came = "" if value is None or sweep.metric is None else f", {sweep.metric.name} {value:.4g}"
        took = "" if event.outcome.seconds is None else f", {event.outcome.seconds:.0f} s"
        why = f"\n  {event.outcome.reason}" if event.outcome.reason else ""
        label = (f"{event.outcome.status}: ", "green" if event.outcome.status == "done" else "red")
        console.print(
            Text.assemble(label, f"{event.trial.id} {describe(event.trial, names)}{came}{took}{why}"),
            soft_wrap=True,
        )
        if event.left:
            rest = "" if event.seconds_left is None else f", about {duration(event.seconds_left)}"
            console.print(f"  {event.left} left{rest}", style="dim", markup=False, highlight=False, soft_wrap=True)

    runner = SweepRunner(folder, slots, tell)
    try:
        with LiveStatus(console, runner.describe, _BETWEEN_LINES):
            runner.run(chosen)
    finally:
        rows = collect(folder, trials)
    shown = [row for row in rows if row.outcome.status != "waiting" or row.outcome.reason]
    console.print(results_table(shown, sweep.metric))
    if len(shown) < len(rows):
        console.print(f"{len(rows) - len(shown)} further trials have not run.")
    done_rows = [row for row in rows if row.outcome.status == "done"]
    if sweep.metric is not None and done_rows and all(row.value(sweep.metric) is None for row in done_rows):
        numbers = ", ".join(sorted(done_rows[0].outcome.summary or {}))
        _warn(
            f"no trial has {sweep.metric.name}, metric.name of {sweep.path}, in its summary. There are: {numbers}.",
            console,
        )
    return rows


def _report(root: Path, rows: Sequence[Row], console: Console) -> list[Path]:
    """The sweep's page, by whoever ends last of those that run it; one at a time."""
    if any(row.outcome.status == "running" for row in rows):
        told = "Another process still runs trials of this sweep; the report is written by the last one."
        console.print(told, soft_wrap=True)
        return []

    def wait(holder: str) -> None:
        console.print(f"waiting for the report of {holder}", markup=False)

    with alone(root / "work" / "report.lock", wait, lambda: None):
        return end_with_report(root, console)


def _end(
    sweep: SweepFile,
    root: Path,
    chosen: Sequence[Trial],
    rows: Sequence[Row],
    pages: Sequence[Path],
    seconds: float,
    console: Console,
) -> None:
    """Tell where everything is, and what was best or went wrong.

    Raises:
        SystemExit: With code 1 if a chosen trial failed or was refused.
    """
    asked = {trial.id for trial in chosen}
    bad = [row for row in rows if row.trial.id in asked and row.outcome.status in {"failed", "refused"}]
    where = [root / CSV, root / JSON, *pages]
    if bad:
        errors = ", ".join(str(TrialFolder(root, row.trial).errors) for row in bad)
        console.print(
            f"{len(bad)} of {len(chosen)} trials failed or were refused; what they said: {errors}. The same command "
            f"tries them again. Everything else: {', '.join(map(str, where))}",
            markup=False, soft_wrap=True,
        )  # fmt: skip
        raise SystemExit(1)
    what, following = f"{sum(row.outcome.status == 'done' for row in rows)} of {len(rows)} trials", None
    best = next((row for row in ranked(rows, sweep.metric) if row.value(sweep.metric) is not None), None)
    if best is not None and sweep.metric is not None:
        own = TrialFolder(root, best.trial).out
        parameters = describe(best.trial, short_names([row.trial for row in rows], varying=True))
        what += f"; best {best.trial.id}, {sweep.metric.name} {best.value(sweep.metric):.4g}: {parameters}"
        where.insert(0, own)
        following = command_line("report", own, "-o", own / PAGE)
    close(what, where, seconds, following)


def _warn(what: str, console: Console) -> None:
    console.print(Text.assemble(("warning: ", "yellow"), what), soft_wrap=True)


def _chosen(trials: Sequence[Trial], indices: Sequence[int] | None) -> list[Trial]:
    if indices is None:
        return list(trials)
    outside = [index for index in indices if not 0 <= index < len(trials)]
    if outside:
        raise ValueError(f"--index {outside}: this sweep has the trials 0 to {len(trials) - 1}.")
    return [trials[index] for index in dict.fromkeys(indices)]


def _show(trials: Sequence[Trial], indices: Sequence[int] | None, as_json: bool, out: Path | None) -> None:
    if out is not None:
        if indices is None or len(trials) != 1:
            raise ValueError(f"--out {out} takes one trial: give its --index.")
        write_json(out, dict(trials[0].parameters))
        return
    console = Console()
    if as_json:
        numbers = list(dict.fromkeys(indices)) if indices is not None else range(len(trials))
        listed = [
            {"index": index, "id": trial.id, "parameters": dict(trial.parameters)}
            for index, trial in zip(numbers, trials, strict=True)
        ]
        console.out(format_json(listed), end="", highlight=False)
        return
    console.print(trials_table(trials))


def _dry_run(sweep: SweepFile, root: Path, trials: Sequence[Trial], console: Console) -> None:
    folder = SweepFolder(sweep, root, (), trial_hash)  # none runs: only what is done need be read
    for trial in trials:
        own = folder.trial(trial)
        label = "done before: " if own.is_done() else "$ "
        console.print(Text(f"{label}{shlex.join(folder.command(trial))}"), soft_wrap=True)
        console.print(Text(f"  {own.parameters.name}: {dict(trial.parameters)}"), soft_wrap=True, style="dim")


def _warnings(sweep: SweepFile) -> list[str]:
    found = []
    if sweep.metric is not None and sweep.metric.peeks:
        found.append(
            f"metric.name={sweep.metric.name} is the best of many evaluations on the images that judge. A search by it "
            "chooses what fits these images by luck. Take the last one, e.g. student/top1_last."
        )
    if sweep.server_only:
        found.append(
            f"{', '.join(sweep.server_only)} of {sweep.path}: W&B's server alone does that; here every trial ends."
        )
    return found
