"""Which tokenizer a VAR was trained with, and what to say when another one is given."""

from pathlib import Path

from lightning.pytorch.utilities import rank_zero_warn

from hieramp_lit.checkpoints import CODES, TOKENIZER, read_record, resolve
from hieramp_lit.var.quantizer import MultiScaleQuantizer


def recorded_tokenizer(path: Path) -> str | None:
    """SHA-256 of the tokenizer's file that a VAR's file names; None where it names none, as published files do."""
    return read_record(path).get(TOKENIZER)


def another_tokenizer(checkpoint: str, sha256: str, quantizer: MultiScaleQuantizer) -> str | None:
    """What tells the tokenizer given from the one that a VAR was trained with; None if nothing does.

    What the tokens mean decides, since one tokenizer may lie in files of several formats. Files that do not say it, as
    published ones, are taken as they are. Sizes that do not fit are refused by `check_pair`.

    Args:
        checkpoint: ``model.checkpoint``, a readable one.
        sha256: Of the tokenizer's file.
        quantizer: The tokenizer's, in float32.
    """
    record = read_record(resolve(checkpoint, key="model.checkpoint"), key="model.checkpoint")
    if CODES not in record or record[CODES] == quantizer.fingerprint():
        return None
    trained = record.get(TOKENIZER, "unknown")
    return (
        f"model.checkpoint={checkpoint!r} was trained with the tokenizer of SHA-256 {trained}, "
        f"model.tokenizer.checkpoint has {sha256}, and other codes: its tokens mean something else here."
    )


def warn_of_another_tokenizer(checkpoint: str, sha256: str, quantizer: MultiScaleQuantizer) -> None:
    """Warn before a tuning that starts from a VAR of another tokenizer; see `another_tokenizer`."""
    found = another_tokenizer(checkpoint, sha256, quantizer)
    if found is not None:
        rank_zero_warn(f"{found} The VAR has to learn them anew; give that tokenizer unless it is meant.")


def refuse_another_tokenizer(checkpoint: str, sha256: str, quantizer: MultiScaleQuantizer) -> None:
    """Refuse to generate with another tokenizer, see `another_tokenizer`.

    Raises:
        ValueError: Naming both.
    """
    found = another_tokenizer(checkpoint, sha256, quantizer)
    if found is not None:
        raise ValueError(f"{found} Images would come out as noise. Give that tokenizer.")
