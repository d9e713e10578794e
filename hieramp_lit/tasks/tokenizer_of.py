"""Which tokenizer a VAR was trained with, and what to say when another one is given."""

from pathlib import Path

from lightning.pytorch.utilities import rank_zero_warn

from hieramp_lit.checkpoints import TOKENIZER, read_record, resolve


def recorded_tokenizer(path: Path) -> str | None:
    """SHA-256 of the tokenizer's file that a VAR's file names; None where it names none, as published files do."""
    return read_record(path).get(TOKENIZER)


def warn_of_another_tokenizer(checkpoint: str, sha256: str) -> None:
    """Warn if a VAR was trained with the tokens of another tokenizer than the one given.

    A warning, since one tokenizer may lie in files of several formats. Sizes that do not fit are refused by
    `check_pair`.

    Args:
        checkpoint: ``model.checkpoint``, a readable one.
        sha256: Of the tokenizer's file.
    """
    recorded = recorded_tokenizer(resolve(checkpoint, key="model.checkpoint"))
    if recorded is not None and recorded != sha256:
        rank_zero_warn(
            f"model.checkpoint={checkpoint!r} was trained with the tokenizer of SHA-256 {recorded}, "
            f"model.tokenizer.checkpoint has {sha256}. Unless both files hold the same weights its tokens mean "
            "something else here, and images come out as noise: give that tokenizer."
        )
