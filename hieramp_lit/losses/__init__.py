"""Loss functions, one concept a file; pure torch."""

from hieramp_lit.losses.soft_labels import hard_label_loss, soft_label_loss
from hieramp_lit.losses.token_cross_entropy import class_token_cross_entropy, token_cross_entropy

__all__ = [
    "class_token_cross_entropy",
    "hard_label_loss",
    "soft_label_loss",
    "token_cross_entropy",
]
