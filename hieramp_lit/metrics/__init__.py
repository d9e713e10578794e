"""Torchmetrics of this project: codebook usage, accuracies of students."""

from hieramp_lit.metrics.accuracy import Accuracies, ClassAccuracy, Evaluation

__all__ = [
    "Accuracies",
    "ClassAccuracy",
    "Evaluation",
]
