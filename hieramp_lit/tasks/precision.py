"""Which precisions VAR's tasks run in."""

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
