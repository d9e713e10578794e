"""Which precisions VAR's tasks run in."""

import torch
from lightning.pytorch import Trainer

HALF_WEIGHTS = {"bf16-true", "16-true", "transformer-engine", "transformer-engine-float16"}


def refuse_half_weights(trainer: Trainer) -> None:
    """Refuse weights stored in half precision: codebook, head and saliency compute in float32.

    Raises:
        ValueError: For such a ``trainer.precision``; mixed precision and float32 pass.
    """
    if trainer.precision in HALF_WEIGHTS:
        raise ValueError(
            f"trainer.precision={trainer.precision!r} stores weights in half precision, which tokenizer and head do "
            "not take. Use bf16-mixed or 16-mixed, which compute in it, or 32-true."
        )


def compute_dtype(trainer: Trainer) -> torch.dtype:
    """What a generator computes in under ``trainer.precision``.

    Raises:
        ValueError: For a precision that generation does not run in.
    """
    refuse_half_weights(trainer)
    return dtype_of(str(trainer.precision))


def dtype_of(precision: str) -> torch.dtype:
    """What a generator computes in under a precision, such as a set's identity names.

    Raises:
        ValueError: For a precision that generation does not run in.
    """
    dtypes = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
    if precision not in dtypes:
        raise ValueError(f"trainer.precision={precision!r}: images are generated in {', '.join(dtypes)}.")
    return dtypes[precision]
