"""`hieramp demo`: the main path on handwritten digits, by the commands that a user would type."""

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from hieramp_lit.commands.arguments import at_least_one
from hieramp_lit.commands.closing import close, command_line
from hieramp_lit.commands.reporting import end_with_report
from hieramp_lit.files import atomic_write, read_json, write_json, write_text
from hieramp_lit.jobs import Cost, RunStoppedError, available_cores, requeue, signal_name
from hieramp_lit.report import aggregate, read, student_table, student_table_markdown
from hieramp_lit.report.results import Result
from hieramp_lit.shards import ShardSet, side_by_side
from hieramp_lit.stages import LiveStatus, Stage, StageError, StageRunner

TUNING = "configs/token_tuning/digits.yaml"
STUDENT = "configs/student/digits.yaml"
KINDS = {
    "real": ("random real", "configs/generate/digits_real.yaml"),
    "plain": ("plain", "configs/generate/digits_plain.yaml"),
    "amplified": ("amplified", "configs/generate/digits.yaml"),
}
"""What is compared: title in the table, configuration that makes the set."""

FILE = "demo.json"
_SALIENCY = ("--model.save_saliency", "true")
_GOES_ON = "The same command goes on from here."


@dataclass(frozen=True)
class Draw:
    """One draw of a set, the student trained on it, and for one draw what its teacher thinks of the set."""

    kind: str
    seed: int
    generate: Stage
    train: Stage
    inspect: Stage | None

    @property
    def stages(self) -> list[Stage]:
        """In their order."""
        return [stage for stage in (self.generate, self.train, self.inspect) if stage is not None]


def main(args: Sequence[str], prog: str) -> None:
    """Run the command.

    Args:
        args: Arguments after the command's name.
        prog: How the user called it, for the help text.

    Raises:
        SystemExit: With a stage's exit code if it fails, 128 + the signal's number if one ends the demo.
    """
    options = build_parser(prog).parse_args(args)
    console = Console()
    try:
        with _signals_interrupt():
            run_demo(options.out, options.seeds, options.workers, max(1, available_cores() // options.workers), console)
    except StageError as error:
        sys.stderr.write("\n".join(["", *error.last_lines(), "", f"error: {error}", f"Whole output: {error.log}", ""]))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write(f"\nInterrupted. {_GOES_ON}\n")
        sys.exit(128 + signal.SIGINT)
    except RunStoppedError as stop:
        queued = requeue() if stop.signum == signal.SIGUSR1 else ""
        sys.stderr.write(f"\n{stop} {queued}".rstrip() + "\n")
        sys.exit(stop.exit_code)


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Run the main path on handwritten digits, in a checkout: tune class tokens into the small VAR that "
        "ships with the package; make sets of one image per class, amplified, plain and of random real images; train "
        "a student on each; compare. Stages that are done are not run again.",
    )
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for everything made (default: demo)")
    parser.add_argument(
        "--seeds", type=at_least_one, default=5, help="draws of each set, each with its own student (default: 5)"
    )
    parser.add_argument(
        "--workers", type=at_least_one, default=min(4, available_cores()),
        help="stages side by side (default: %(default)s)",
    )  # fmt: skip
    return parser


def run_demo(out: Path, seeds: int, workers: int, threads: int, console: Console) -> None:
    """Run what is not done yet, then write and show the comparison.

    Args:
        out: Folder for everything made: ``tuning/``, ``sets/``, ``students/``, ``logs/``, ``summary.json``,
            ``table.md``, ``contact_sheet.png``, ``inspect/``, ``demo.json`` and ``report.html``.
        seeds: Draws of each set.
        workers: Stages side by side, once tuning is done.
        threads: CPU threads of each of them.
        console: Where to show it.

    Raises:
        FileNotFoundError: Outside a checkout.
        StageError: If a stage fails; the others are ended.
    """
    for config in (TUNING, STUDENT, *(config for _, config in KINDS.values())):
        if not Path(config).is_file():
            raise FileNotFoundError(
                f"The demo uses the configurations of a checkout, and {config} is not in {Path.cwd()}. Go to the "
                "folder of the repository (with configs/ in it) and say `make demo` or `hieramp demo` there."
            )
    start = time.monotonic()
    runner = StageRunner(out, console)
    tune = _tuning(out)
    draws = [draw for seed in range(seeds) for draw in _draws(out, seed, tune)]
    every = [tune, *(stage for draw in draws for stage in draw.stages)]
    console.print(f"{len(every)} stages, {workers} side by side after the first; all they say is in {out / 'logs'}")
    with LiveStatus(console, lambda: runner.describe(every, workers)):
        took = {tune.name: runner.run(tune, threads * workers)}
        took |= _run_side_by_side(runner, draws, workers, threads)
    parts = {
        "tuning": [tune],
        "sets": [draw.generate for draw in draws],
        "students": [draw.train for draw in draws],
        "inspect": [draw.inspect for draw in draws if draw.inspect is not None],
    }
    seconds = {part: sum(took[stage.name] for stage in stages) for part, stages in parts.items()}
    cost = {part: reduce(Cost.joined, map(runner.cost, stages)).plain() for part, stages in parts.items()}

    cells = _cells(draws)
    rows = {KINDS[kind][0]: cell for kind, cell in cells.items()}
    write_json(out / "summary.json", cells)
    write_text(out / "table.md", student_table_markdown(rows))
    sheet = side_by_side(
        {
            KINDS[kind][0]: [ShardSet.open(draw.generate.folder) for draw in draws if draw.kind == kind]
            for kind in ("amplified", "plain")
        }
    )
    with atomic_write(out / "contact_sheet.png") as temporary:
        sheet.save(temporary, format="PNG")
    write_json(out / FILE, {**_description(out, seeds, tune, draws), "seconds": seconds, "cost": cost})
    console.print()
    console.print(student_table(rows))
    times = ", ".join(f"{part} {value:.0f} s" for part, value in seconds.items())
    console.print(f"Time of the stages, when they ran: {times}.")
    pages = end_with_report(out, console)
    told = ", ".join(f"{title} {100 * cell['summary']['mean']['top1_last']:.1f} %" for title, cell in rows.items())
    where = [out / name for name in ("contact_sheet.png", "table.md", "summary.json")]
    following = command_line("distill", "--config", "configs/distill/digits.yaml")
    close(f"top-1 over {seeds} draws: {told}", [*pages, *where], time.monotonic() - start, following)


def _description(out: Path, seeds: int, tune: Stage, draws: Sequence[Draw]) -> dict[str, Any]:
    """What was made and where, relative to the folder, as a report reads it."""

    def place(path: Path) -> str:
        return path.relative_to(out).as_posix()

    inspected = {KINDS[draw.kind][0]: place(draw.inspect.outputs[0]) for draw in draws if draw.inspect is not None}
    first = [stage for draw in draws if draw.seed == 0 for stage in draw.stages]
    return {
        "schema": 1,
        "sets": {
            title: [
                {"seed": draw.seed, "set": place(draw.generate.folder), "student": place(draw.train.folder)}
                for draw in draws
                if draw.kind == kind
            ]
            for kind, (title, _) in KINDS.items()
        },
        "inspect": inspected,
        "tuning": place(tune.folder),
        "commands": [
            command_line("demo", "--out", out, "--seeds", seeds),
            *(stage.command_line for stage in (tune, *first)),
        ],
    }


def _tuning(out: Path) -> Stage:
    folder = out / "tuning"
    arguments = ("fit", "--config", TUNING, "--model.export", str(folder / "class_tokens.safetensors"))
    return Stage("tune class tokens", (*arguments, *_runs_in(folder)), folder, outcome=lambda: f"weights in {folder}")


def _draws(out: Path, seed: int, tune: Stage) -> list[Draw]:
    draws = []
    for kind, (title, config) in KINDS.items():
        shards, student = out / "sets" / f"{kind}-{seed}", out / "students" / f"{kind}-{seed}"
        weights: tuple[str, ...] = ()
        if kind != "real":
            weights = ("--model.checkpoint", str(tune.folder / "class_tokens.safetensors"), *_SALIENCY)
        set_flags = ("--data.seed", str(seed), "--model.output", str(shards), "--trainer.logger", "false")
        generate = Stage(
            f"make set {title} {seed}",
            ("predict", "--config", config, *weights, *set_flags),
            shards,
            () if kind == "real" else (tune,),
            partial(_describe_set, shards),
        )
        run_flags = ("--model.seed", str(seed), "--model.output", str(student / "result.json"), *_runs_in(student))
        train = Stage(
            f"train student {title} {seed}",
            ("fit", "--config", STUDENT, "--data.path", str(shards), *run_flags),
            student,
            (generate,),
            partial(_describe_student, student),
        )
        inspect = _inspection(out, generate) if kind == "amplified" and seed == 0 else None
        draws.append(Draw(kind, seed, generate, train, inspect))
    return draws


def _inspection(out: Path, on: Stage) -> Stage:
    """What the students' teacher thinks of one set, for the images that it believes in least."""
    folder = out / "inspect"
    output = folder / "inspect.json"

    def make_folder() -> Sequence[str]:
        folder.mkdir(parents=True, exist_ok=True)
        return ()

    arguments = ("inspect", str(on.folder), "--config", STUDENT, "--output", str(output))
    name, outcome = "inspect set amplified 0", partial(_describe_inspection, output)
    return Stage(name, arguments, folder, (on,), outcome, outputs=(output,), resume=make_folder)


def _describe_set(folder: Path) -> str:
    shards = ShardSet.open(folder)
    return f"{len(shards)} images of {len(shards.classes)} classes in {folder}"


def _describe_inspection(output: Path) -> str:
    return f"{len(read_json(output)['summary'])} numbers in {output}"


def _describe_student(folder: Path) -> str:
    return f"top-1 {100 * read(folder)['summary']['mean']['top1_last']:.1f} % after the last epoch"


def _runs_in(folder: Path) -> tuple[str, ...]:
    return ("--trainer.logger", "RunLogger", "--trainer.logger.save_dir", str(folder))


def _run_side_by_side(runner: StageRunner, draws: Sequence[Draw], workers: int, threads: int) -> dict[str, float]:
    """Run every draw's stages in order, and tell the seconds of each by its name; at the first failure end the rest."""

    def run(draw: Draw) -> dict[str, float]:
        return {stage.name: runner.run(stage, threads) for stage in draw.stages}

    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(run, draw) for draw in draws]
        try:
            return {name: value for future in as_completed(futures) for name, value in future.result().items()}
        except BaseException:
            runner.stop()
            pool.shutdown(cancel_futures=True)
            raise


def _cells(draws: Sequence[Draw]) -> dict[str, Result]:
    """One aggregated result a kind, each with random real images as its reference."""
    runs = {kind: [read(draw.train.folder) for draw in draws if draw.kind == kind] for kind in KINDS}
    reference = aggregate(runs["real"])
    return {kind: aggregate(results, None if kind == "real" else reference) for kind, results in runs.items()}


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Take SIGTERM and SIGUSR1, as `timeout` and batch systems send them, like Ctrl-C: no stage outlives the demo."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise RunStoppedError(signum, f"{signal_name(signum)}: stopped. {_GOES_ON}")

    before = {signum: signal.signal(signum, interrupt) for signum in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
