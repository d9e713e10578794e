"""Loss functions, one concept a file; pure torch."""

from hieramp_lit.losses.soft_labels import hard_label_loss, soft_label_loss

__all__ = [
    "hard_label_loss",
    "soft_label_loss",
]
