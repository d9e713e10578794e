"""`hieramp verify`: prove a set whole, name every fault, and make again exactly what is missing or damaged."""

import argparse
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console

from hieramp_lit.commands import following
from hieramp_lit.commands.closing import close
from hieramp_lit.commands.progress import Progress
from hieramp_lit.data.tokens.cache import FORMAT, TokenCache
from hieramp_lit.files import read_json
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.format import MANIFEST
from hieramp_lit.shards.reader import ShardSet
from hieramp_lit.shards.repair import Repair, repair
from hieramp_lit.shards.set_index import SetIndex
from hieramp_lit.shards.verify import Fault, find_faults
from hieramp_lit.stages import run_child


def main(args: Sequence[str], prog: str) -> None:
    """Run the command.

    Args:
        args: Arguments after the command's name.
        prog: How the user called it, for the help text.

    Raises:
        ShardError: If faults remain.
    """
    parser = build_parser(prog)
    options, others = parser.parse_known_args(args)
    generation = [*(word for file in options.config for word in ("--config", file)), *others]
    if generation and not options.repair:
        parser.error(f"only --repair runs a configuration; unknown without it: {' '.join(generation)}")
    if others and not options.config:
        parser.error(f"give the set's --config before its overrides: {' '.join(others)}")
    verify(options.set, contents=not options.quick, mend=options.repair, generation=generation)


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog=prog,
        usage="%(prog)s SET [--quick] [--repair [--config FILE.yaml [--model.KEY VALUE] …]]",
        description="Check every file and every sample of a shard set (or every file of a token cache): counts, "
        "sidecars, SHA-256, images, labels, provenance, one configuration. Exits with 1 and names each fault.",
        epilog=f"Example: {prog} sets/mine --repair --config configs/generate/folder.yaml",
    )
    parser.add_argument("set", metavar="SET", type=Path, help="folder that `hieramp predict` or `import` wrote")
    parser.add_argument(
        "--quick", action="store_true", help="compare index, sidecars and sizes; read no byte of the shards"
    )
    parser.add_argument(
        "--repair",
        action="store_true",
        help="remove what is damaged, write anew what follows from the rest, and make the rest with `hieramp predict`, "
        "where its --config is given; the set is then byte for byte what it was",
    )
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="FILE",
        help="the set's configuration, as for `hieramp predict`, with its overrides behind it",
    )
    return parser


def verify(folder: Path, *, contents: bool = True, mend: bool = False, generation: Sequence[str] = ()) -> None:
    """Check a set; print its faults and what was done about them.

    Args:
        folder: The set, or a token cache.
        contents: Read every byte; otherwise index, sidecars and sizes alone.
        mend: Repair it.
        generation: Arguments of `hieramp predict` that make it; empty leaves that to the user.

    Raises:
        ShardError: If faults remain.
        RunStoppedError: If a signal ended the command that makes shards again.
        TokenCacheError: If a token cache is damaged.
        OSError: If a repair cannot write to the folder.
    """
    start = time.monotonic()
    console = Console(soft_wrap=True, highlight=False)
    folder = folder.expanduser()
    if _is_token_cache(folder):
        shards = _verify_cache(folder, contents, mend, console)
        close(f"{shards} shard(s) checked", [folder], time.monotonic() - start, following.tune_from(folder))
        return
    faults = _report(folder, contents, None)
    if faults and mend:
        done = repair(folder, faults)
        _tell(done, console)
        _make(folder, done, generation, console)
        faults = [fault for fault in faults if fault.kind == "foreign"]
        faults += _report(folder, contents, done.shards)
    if faults:
        raise ShardError(f"{folder}: {len(faults)} fault(s), named above.{_advice(mend)}")
    shard_set = ShardSet.open(folder)
    extent = "every byte was read" if contents else "index, sidecars and sizes; shards were not read (--quick)"
    console.print(
        f"{folder} is whole: {len(shard_set)} images in {len(shard_set.manifest.shards)} shard(s), identity "
        f"{shard_set.manifest.identity_hash[:12]}; {extent}",
        markup=False,
    )
    what = f"{len(shard_set):,} images checked" if contents else f"index of {len(shard_set):,} images checked"
    close(what, [folder], time.monotonic() - start, following.judge_set(folder))


def _report(folder: Path, contents: bool, only: Collection[int] | None) -> list[Fault]:
    """Find the faults and print each when it is found."""
    found = []
    with Progress("checked") as progress:
        for fault in find_faults(folder, contents=contents, only=only, progress=progress):
            sys.stdout.write(f"{fault}\n")  # above the bar, where one is
            found.append(fault)
    return found


def _make(folder: Path, done: Repair, generation: Sequence[str], console: Console) -> None:
    """Run the set's own command for what is missing."""
    if not done.needs_command:
        return
    command = SetIndex.read(folder).command
    if not generation:
        raise ShardError(
            f"{folder}: {_left(done)} "
            f"Run the set's `{command}` again, it makes these alone"
            + ("." if command == "hieramp predict" else ", from the folder that the set was imported from.")
        )
    if command != "hieramp predict":
        raise ShardError(f"{folder} was imported, no --config makes it: run its `{command}` again.")
    arguments = ["predict", *generation, f"--model.output={folder}"]
    console.print(f"$ hieramp {' '.join(arguments)}", markup=False)
    code = run_child(arguments)
    if code != 0:
        raise ShardError(f"{folder}: `hieramp predict` ended with exit code {code}; run this command again to go on.")


def _left(done: Repair) -> str:
    """What was done, and what is left to make; a sentence."""
    removed = "what was damaged is removed" if done.removed else "nothing had to be removed"
    if done.shards:
        return f"{removed}, {len(done.shards)} shard(s) and the index have to be made again."
    return f"{removed}, no shard that is there has to be made again; what the set lacks, at least its index, has to be."


def _tell(done: Repair, console: Console) -> None:
    for label, names in (("removed", done.removed), ("written anew", done.rewritten)):
        if names:
            console.print(f"{label}: {', '.join(names)}", markup=False)


def _advice(mended: bool) -> str:
    return "" if mended else " `--repair --config FILE` removes what is damaged and makes it anew."


def _is_token_cache(folder: Path) -> bool:
    try:
        value = read_json(folder / MANIFEST)
    except (OSError, ValueError):
        return False
    return isinstance(value, dict) and value.get("format") == FORMAT


def _verify_cache(folder: Path, contents: bool, mend: bool, console: Console) -> int:
    """Check a token cache; answers with the number of its shards."""
    if mend:
        raise ShardError(f"{folder} is a token cache: run its `hieramp tokenize` again, it makes damaged shards anew.")
    cache = TokenCache.open(folder, key="SET")
    if contents:
        with Progress("checked") as progress:
            cache.verify(progress)
    console.print(f"{folder} is whole: a token cache of {len(cache.records)} shard(s)", markup=False)
    return len(cache.records)
