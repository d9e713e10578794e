"""`hieramp sweep`: the trials of a W&B sweep file, run or listed without a server."""

import argparse
import os
import shlex
import warnings
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from hieramp_lit.commands.arguments import at_least_one
from hieramp_lit.commands.trial_hash import trial_hash
from hieramp_lit.files import format_json, write_json
from hieramp_lit.jobs import available_cores
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.sweeps import (
    Event,
    Slot,
    SweepFile,
    SweepFolder,
    SweepRunner,
    Trial,
    claim_sweep,
    collect,
    describe,
    expand,
    read_sweep_file,
    results_table,
    short_names,
    trials_table,
)

_ROOT = Path("runs/sweeps")
_MINUTE = 60.0


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
        console.print(Text.assemble(("warning: ", "yellow"), warning), soft_wrap=True)
    root = options.out or _ROOT / sweep.title
    if options.dry_run:
        _dry_run(sweep, root, chosen, console)
        return
    slots = gpu_slots(options.gpus) if options.workers is None else worker_slots(options.workers)
    run_sweep(sweep, root, trials, chosen, slots, console)


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
        "--out", type=Path, metavar="FOLDER", help=f"for trials/, sweep.csv, sweep.json (default: {_ROOT}/NAME)"
    )
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
) -> None:
    """Run what is not done yet, then show and write what came of all trials.

    Args:
        sweep: The file.
        root: The sweep's folder.
        trials: All trials, for the tables.
        chosen: Those to run.
        slots: Where they run.
        console: Where to tell.

    Raises:
        RunStoppedError: If a signal ends it.
        SweepFileError: If the folder holds trials of another command, or a configuration changes meanwhile.
        SystemExit: With code 1 if a chosen trial failed or was refused.
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

    with console.status("starting") as status:

        def tell(event: Event) -> None:
            ending = _time_left(event)
            if event.outcome.status == "running":
                status.update(f"{event.left} of {len(chosen)} trials left{ending}")
                return
            try:
                collect(folder, trials)
            except (OSError, ShardError) as error:  # the table is written again after the next trial
                console.print(
                    Text.assemble(("warning: ", "yellow"), f"the sweep's table is not written now: {error}"),
                    soft_wrap=True,
                )
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
                console.print(f"  {event.left} left{ending}", style="dim", markup=False, soft_wrap=True)

        try:
            SweepRunner(folder, slots, tell).run(chosen)
        finally:
            rows = collect(folder, trials)
    shown = [row for row in rows if row.outcome.status != "waiting" or row.outcome.reason]
    console.print(results_table(shown, sweep.metric))
    if len(shown) < len(rows):
        console.print(f"{len(rows) - len(shown)} further trials have not run.")
    console.print(f"All numbers: {root / 'sweep.csv'}, {root / 'sweep.json'}", markup=False, soft_wrap=True)
    done_rows = [row for row in rows if row.outcome.status == "done"]
    if sweep.metric is not None and done_rows and all(row.value(sweep.metric) is None for row in done_rows):
        numbers = ", ".join(sorted(done_rows[0].outcome.summary or {}))
        console.print(
            Text.assemble(
                ("warning: ", "yellow"),
                f"no trial has {sweep.metric.name}, metric.name of {sweep.path}, in its summary. There are: {numbers}.",
            ),
            soft_wrap=True,
        )
    asked = {trial.id for trial in chosen}
    bad = [row for row in rows if row.trial.id in asked and row.outcome.status in {"failed", "refused"}]
    if bad:
        console.print(
            f"{len(bad)} of {len(chosen)} trials failed or were refused; what they said: "
            f"{', '.join(str(folder.trial(row.trial).errors) for row in bad)}. The same command tries them again.",
            markup=False, soft_wrap=True,
        )  # fmt: skip
        raise SystemExit(1)


def gpu_slots(names: Sequence[str] | None) -> list[Slot]:
    """A slot a GPU.

    Args:
        names: As CUDA_VISIBLE_DEVICES names them; None for all that this process sees.

    Returns:
        One slot a GPU; where there is none and none is named, one slot with all cores.

    Raises:
        ValueError: If a GPU comes twice.
    """
    if names is None:
        names = _visible_gpus()
        if not names:
            return worker_slots(1)
    if len(set(names)) < len(names):
        raise ValueError(f"--gpus {' '.join(names)}: a GPU comes twice. Give each once; a trial takes one alone.")
    threads = str(max(1, available_cores() // len(names)))
    return [Slot(f"GPU {name}", {"CUDA_VISIBLE_DEVICES": name, "OMP_NUM_THREADS": threads}) for name in names]


def worker_slots(workers: int) -> list[Slot]:
    """Slots on the processor, which share its cores.

    Args:
        workers: Trials side by side.
    """
    threads = str(max(1, available_cores() // workers))
    environment = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": threads}
    return [Slot(f"{threads} threads" if workers == 1 else f"worker {index}", environment) for index in range(workers)]


def _visible_gpus() -> list[str]:
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()]
    import torch  # takes seconds, and is asked last

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a driver that is too old shows in the trials, which name it
        return [str(index) for index in range(torch.cuda.device_count())]


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


def _time_left(event: Event) -> str:
    if event.seconds_left is None or not event.left:
        return ""
    minutes = event.seconds_left / _MINUTE
    return f", about {minutes:.0f} min" if minutes > 1 else ", less than a minute"
