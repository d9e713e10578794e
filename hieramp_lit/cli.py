"""The `hieramp` command: Lightning's verbs on our tasks, and a table of other commands."""

import argparse
import difflib
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType

from hieramp_lit import __version__
from hieramp_lit.jobs import RunStoppedError, is_lost_peer, is_out_of_memory, report_cost

LIGHTNING_COMMANDS = {
    "fit": "Train what the configuration names: a tokenizer, class tokens or a student.",
    "validate": "Measure a model on the validation data.",
    "test": "Measure a model on the test data, e.g. a trained student.",
    "predict": "Generate a distilled data set and write it as shards; continues where it stopped.",
    "tokenize": "Encode a data set once, for tuning from its tokens; continues where it stopped.",
}
COMMANDS = {
    "bench": "Measure speed and memory of generation, tuning and students on this machine, side by side.",
    "doctor": "Check an installation and a configuration, its weights, memory, disk and data, before hours are spent.",
    "demo": "Run the main path on handwritten digits: tune, generate, train students, compare (minutes on a CPU).",
    "distill": "One trial, from a schedule to accuracy: tune, generate, train students, beside random real images.",
    "students": "Train a student under several seeds in one process; its images and its teacher are loaded once.",
    "sweep": "Run or list the trials of a W&B sweep file without a server, one on each GPU; collects one table.",
    "analyze": "Show what amplification does: tokens of sets, beside a plain set, and what class tokens look at.",
    "inspect": "Measure a shard set: beside real images, to a teacher, and by its tokens; one table and one JSON.",
    "compare": "Train the same students on several sets and on random real images, and lay them side by side.",
    "cross": "Train students of several architectures under several teachers on one set, in one table.",
    "tables": "Lay measured results beside the paper's: its number, ours, the difference, seeds and protocol.",
    "report": "Tell the whole story of sets, trials, sweeps or a demo on one page, with figures and as JSON.",
    "verify": "Prove a shard set whole, name its faults, and make again exactly what is missing or damaged.",
    "export": "Write the images of a shard set as a folder per class, which other evaluators read.",
    "import": "Make a shard set of a folder of images per class, to judge anybody's distilled data.",
    "export-weights": "Write the VAR or tokenizer of a checkpoint under its published names (.pth or .safetensors).",
}
"""The others: each has a module, see `command_module`, with ``main(args, prog)`` and ``build_parser(prog)``."""

DEBUG_VARIABLE = "HIERAMP_DEBUG"


def main(args: Sequence[str] | None = None) -> None:
    """Run one command.

    Args:
        args: Arguments after the program's name. With None they come from ``sys.argv``, as the console script has it,
            and an error that the user can mend becomes one message and exit code 1. Callers in Python pass a list and
            see exceptions.

    Raises:
        SystemExit: With code 2 if the arguments are refused, 0 after ``--help``, ``--version`` or ``--print_config``;
            with 128 + the signal's number after a signal: 130 Ctrl-C, 143 SIGTERM, 138 SIGUSR1.
    """
    if args is not None:
        _dispatch(args, from_console=False)
        return
    try:
        _dispatch(sys.argv[1:], from_console=True)
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped by Ctrl-C\n")
        sys.exit(128 + signal.SIGINT)
    except RunStoppedError as stop:
        if str(stop):
            sys.stderr.write(f"\n{stop}\n")
        sys.exit(stop.exit_code)
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        if is_lost_peer(error):
            first_line = str(error).partition("\n")[0]
            sys.stderr.write(
                f"\nended, because another process of this run ended first: its message, above or below, names the "
                "cause. If it left none, the system may have killed it, most often for want of host memory: see "
                f"`dmesg`.\n(here it showed as {type(error).__name__}: {first_line}; {DEBUG_VARIABLE}=1 shows where)\n"
            )
        elif _is_for_the_user(error):
            text = "\n".join([str(error), *getattr(error, "__notes__", [])])
            sys.stderr.write(f"\nerror: {text}\n({type(error).__name__}; {DEBUG_VARIABLE}=1 shows where it arose)\n")
        else:
            raise
        sys.exit(1)
    finally:
        report_cost()


def _dispatch(args: Sequence[str], *, from_console: bool) -> None:
    """Read the command's name, and start only what that command needs: Lightning takes seconds to import."""
    parser = _overview()
    name = args[0] if args else ""
    if name in COMMANDS:
        command_module(name).main(args[1:], prog=f"{parser.prog} {name}")
    elif not args or name in {"-h", "--help", "--version"}:
        parser.parse_args(args)
        parser.print_help(sys.stderr)
        sys.exit(2)
    elif name in LIGHTNING_COMMANDS or name.startswith("-"):
        from hieramp_lit.lightning_cli import run

        # sys.argv itself stays as it is: processes that Lightning launches for other devices replay it.
        run(None if from_console else list(args))
    else:
        known = [*LIGHTNING_COMMANDS, *COMMANDS]
        near = difflib.get_close_matches(name, known, n=1)
        suggestion = f"Did you mean {near[0]!r}? " if near else ""
        parser.error(f"unknown command {name!r}. {suggestion}Commands: {', '.join(known)}.")


def command_module(name: str) -> ModuleType:
    """The module of one of `COMMANDS`: its name, ``-`` as ``_``; Python's own word ``import`` cannot be one."""
    file = "import_folder" if name == "import" else name.replace("-", "_")
    return importlib.import_module(f"hieramp_lit.commands.{file}")


def _overview() -> argparse.ArgumentParser:
    width = max(map(len, [*LIGHTNING_COMMANDS, *COMMANDS]))

    def table(commands: dict[str, str]) -> str:
        return "\n".join(f"  {name:{width}}  {summary}" for name, summary in commands.items())

    parser = argparse.ArgumentParser(
        prog="hieramp",
        usage="%(prog)s COMMAND [options]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"""Distil image data sets with generative models: tune, generate, judge.

commands that run a configuration, `hieramp COMMAND --config FILE.yaml [--model.KEY VALUE …]`:
{table(LIGHTNING_COMMANDS)}

other commands:
{table(COMMANDS)}""",
        epilog=f"""`hieramp COMMAND --help` explains one command; `--print_config` prints the whole configuration and
stops. Later `--config` files and flags override earlier ones. Weights are arguments of the model
(`--model.checkpoint FILE`); `--ckpt_path FILE` resumes a fit. {DEBUG_VARIABLE}=1 adds tracebacks to
error messages.""",
    )
    parser.add_argument("--version", action="version", version=f"hieramp_lit {__version__}")
    return parser


def raised_by(error: BaseException) -> str:
    """Name of the top-level package whose code raised an error."""
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return str(frames[-1]).partition(".")[0] if frames else ""


def _is_for_the_user(error: Exception) -> bool:
    """Tell a refusal that our own code wrote for the user, or a file problem, from a defect that needs a traceback."""
    return (
        isinstance(error, OSError)
        or is_out_of_memory(error)
        or (isinstance(error, ValueError | RuntimeError) and raised_by(error) == __package__)
    )
