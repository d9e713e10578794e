"""Which command comes after which, as whole lines with the paths at hand.

What only the user knows is a word in capitals, such as STUDENT.yaml: a configuration of `configs/student`.
"""

from collections.abc import Sequence
from pathlib import Path

from hieramp_lit.analysis.token_maps import token_maps
from hieramp_lit.classes.agreement import same_class
from hieramp_lit.commands.closing import command_line
from hieramp_lit.shards import ShardSet

CHECKPOINT = "CHECKPOINT"
"""Stands for weights that were not written."""


def tune_with(tokenizer: str | Path) -> str:
    """Class tokens are tuned on a tokenizer."""
    return command_line("fit", "--config", "TOKEN_TUNING.yaml", "--model.tokenizer.checkpoint", tokenizer)


def tune_from(cache: Path) -> str:
    """Class tokens are tuned from a token cache."""
    return command_line("fit", "--config", "TOKEN_TUNING_CACHED.yaml", "--data.path", cache)


def generate_with(var: str | Path) -> str:
    """A set is generated with tuned weights."""
    return command_line("predict", "--config", "GENERATE.yaml", "--model.checkpoint", var)


def verify_set(folder: Path) -> str:
    """A set is proved whole."""
    return command_line("verify", folder)


def judge_set(folder: str | Path) -> str:
    """Students are trained on a set."""
    paths = ("--config", "STUDENT.yaml", "--data.path", folder)
    return command_line("students", *paths, "--seeds", 0, 1, 2, "--out", "FOLDER")


def taught_by(teacher: str | Path) -> str:
    """A student is trained under a teacher."""
    return command_line("fit", "--config", "STUDENT.yaml", "--model.teacher.checkpoint", teacher)


def analyze_set(shards: ShardSet, against: ShardSet | None = None) -> str:
    """A set's tokens are analysed.

    Args:
        shards: The set.
        against: What to compare it with; left out where a comparison class by class would be refused.
    """
    beside = [] if against is None or not are_alike(shards, against) else [against]
    words: list[object] = [shards.path, *(word for other in beside for word in ("--against", other.path))]
    if any(token_maps(one.manifest.configuration, None, None) is None for one in (shards, *beside)):
        words += ["--tokenizer", "TOKENIZER"]
    return command_line("analyze", *words)


def are_alike(shards: ShardSet, other: ShardSet) -> bool:
    """Whether sets have the same classes, images per class and seed, as a comparison class by class asks."""
    plans = {(one.manifest.images_per_class, one.manifest.seed, len(one.classes)) for one in (shards, other)}
    return len(plans) == 1 and all(map(same_class, shards.classes.entries, other.classes.entries))


def table_of(results: Sequence[Path]) -> str:
    """Results are laid beside the paper's.

    Args:
        results: Folders or files of results.
    """
    return command_line("tables", *results)


def report_on(sources: Sequence[Path], output: Path) -> str:
    """Results are told on one page.

    Args:
        sources: Folders or files of results.
        output: The page.
    """
    return command_line("report", *sources, "-o", output)
